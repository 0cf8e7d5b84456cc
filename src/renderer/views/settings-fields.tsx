// Rows of the settings that are typed into: saved on Enter or when the field is left, taken back with Escape.

import { useState } from 'react';
import { Group, Input, Label, NumberField, Text, TextField } from 'react-aria-components';

interface AmountRowProps {
  readonly label: string;
  readonly help: string;
  readonly unit: string;
  readonly least: number;
  readonly value: number;
  readonly onSave: (amount: number) => void;
}

export function AmountRow({ label, help, unit, least, value, onSave }: AmountRowProps) {
  return (
    <NumberField
      className="settings-row"
      value={value}
      minValue={least}
      maxValue={1_000_000}
      onChange={(amount) => {
        if (Number.isFinite(amount) && amount !== value) onSave(amount);
      }}
    >
      <span className="switch-words">
        <Label>{label}</Label>
        <Text slot="description" className="field-help">
          {help}
        </Text>
      </span>
      <Group className="amount">
        <Input className="input amount-input" />
        <span className="quiet">{unit}</span>
      </Group>
    </NumberField>
  );
}

interface FolderRowProps {
  readonly label: string;
  readonly help: string;
  readonly placeholder: string;
  /** Null: the default. */
  readonly value: string | null;
  readonly onSave: (folder: string | null) => void;
}

export function FolderRow({ label, help, placeholder, value, onSave }: FolderRowProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const save = () => {
    if (draft === null) return;
    const folder = draft.trim() === '' ? null : draft.trim();
    setDraft(null);
    if (folder !== value) onSave(folder);
  };
  return (
    <TextField className="settings-row" value={draft ?? value ?? ''} onChange={setDraft} onBlur={save}>
      <span className="switch-words">
        <Label>{label}</Label>
        <Text slot="description" className="field-help">
          {help}
        </Text>
      </span>
      <Input
        className="input folder-input"
        placeholder={placeholder}
        spellCheck="false"
        autoComplete="off"
        onKeyDown={(event) => {
          if (event.key === 'Enter') save();
          if (event.key === 'Escape') setDraft(null);
        }}
      />
    </TextField>
  );
}
