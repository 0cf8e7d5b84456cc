// Form parts in the panel's looks over the accessible base: search, text, choice, switch, one-of-few.

import { Check, ChevronsUpDown, Search, X } from 'lucide-react';
import type { ReactNode } from 'react';
import {
  Button as BaseButton,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  SearchField as BaseSearchField,
  Select as BaseSelect,
  SelectValue,
  Switch as BaseSwitch,
  Text,
  TextField as BaseTextField,
  ToggleButton,
  ToggleButtonGroup,
} from 'react-aria-components';

interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly autoFocus?: boolean;
}

export function SearchField({ label, value, onChange, autoFocus = false }: SearchFieldProps) {
  return (
    <BaseSearchField
      className="search"
      aria-label={label}
      value={value}
      onChange={onChange}
      // A panel opened to search starts in the search field.
      autoFocus={autoFocus}
    >
      <Search aria-hidden />
      <Input className="input" placeholder={label} />
      <BaseButton className="button button-quiet button-square">
        <X aria-hidden />
      </BaseButton>
    </BaseSearchField>
  );
}

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly placeholder?: string;
  readonly help?: string;
  readonly isDisabled?: boolean;
  readonly autoFocus?: boolean;
}

export function TextField(props: TextFieldProps) {
  const { label, value, onChange, placeholder = '', help, isDisabled = false, autoFocus = false } = props;
  return (
    <BaseTextField
      className="field"
      value={value}
      onChange={onChange}
      isDisabled={isDisabled}
      autoFocus={autoFocus}
    >
      <Label>{label}</Label>
      <Input className="input" placeholder={placeholder} spellCheck="false" autoComplete="off" />
      {help !== undefined && (
        <Text slot="description" className="field-help">
          {help}
        </Text>
      )}
    </BaseTextField>
  );
}

export interface Choice {
  readonly id: string;
  readonly text: string;
}

interface SelectProps {
  readonly label: string;
  /** The label is read out but not shown. */
  readonly isBare?: boolean;
  readonly choices: readonly Choice[];
  readonly value: string;
  readonly onChange: (id: string) => void;
}

export function Select({ label, isBare = false, choices, value, onChange }: SelectProps) {
  return (
    <BaseSelect
      className="field select"
      aria-label={label}
      value={value}
      onChange={(key) => {
        if (typeof key === 'string') onChange(key);
      }}
    >
      {!isBare && <Label>{label}</Label>}
      <BaseButton className="button button-plain">
        <SelectValue className="select-value">{({ selectedText }) => selectedText}</SelectValue>
        <ChevronsUpDown aria-hidden />
      </BaseButton>
      <Popover className="popover">
        <ListBox className="options" items={choices}>
          {(choice) => (
            <ListBoxItem id={choice.id} textValue={choice.text} className="option">
              <span className="cut spring">{choice.text}</span>
              {choice.id === value && <Check aria-hidden />}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </BaseSelect>
  );
}

interface SwitchProps {
  readonly label: string;
  readonly help?: string;
  readonly isOn: boolean;
  readonly isDisabled?: boolean;
  readonly onChange: (isOn: boolean) => void;
}

/** The label stands before the switch, as in system settings. */
export function SwitchRow({ label, help, isOn, isDisabled = false, onChange }: SwitchProps) {
  return (
    <BaseSwitch className="switch switch-row" isSelected={isOn} isDisabled={isDisabled} onChange={onChange}>
      <span className="switch-words">
        <span>{label}</span>
        {help !== undefined && <span className="field-help">{help}</span>}
      </span>
      <span className="switch-track" aria-hidden>
        <span className="switch-knob" />
      </span>
    </BaseSwitch>
  );
}

interface SegmentsProps<T extends string> {
  readonly label: string;
  readonly choices: readonly { readonly id: T; readonly text: ReactNode }[];
  readonly value: T;
  readonly onChange: (id: T) => void;
}

/** One of a few, all in sight. */
export function Segments<T extends string>({ label, choices, value, onChange }: SegmentsProps<T>) {
  return (
    <ToggleButtonGroup
      className="segments"
      aria-label={label}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[value]}
      onSelectionChange={(keys) => {
        const chosen = choices.find(({ id }) => keys.has(id));
        if (chosen !== undefined) onChange(chosen.id);
      }}
    >
      {choices.map(({ id, text }) => (
        <ToggleButton key={id} id={id} className="segment">
          {text}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
