// Writes the report of logs and diagnostics and says where it is.

import { FileText } from 'lucide-react';
import { useState } from 'react';
import type { LogExport } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { strings } from '../text/strings.ts';

const words = strings.settings;

export function LogExportRow() {
  const { api } = usePanel();
  const action = useAction();
  const [report, setReport] = useState<LogExport | null>(null);
  const [isCopied, setCopied] = useState(false);
  const make = () =>
    action.run(async () => {
      setCopied(false);
      setReport(await api.call('logs:export', null));
    });
  return (
    <>
      <div className="settings-row">
        <span className="switch-words">
          <span>{words.report}</span>
          <span className="field-help">{words.reportHelp}</span>
        </span>
        <Button isDisabled={action.isRunning} onPress={make}>
          <FileText aria-hidden />
          {action.isRunning ? words.reportMaking : words.reportMake}
        </Button>
      </div>
      {report !== null && (
        <div className="settings-row" role="status">
          <span className="switch-words">
            <span>{words.reportMade(formatBytes(report.sizeBytes))}</span>
            <span className="field-help path-words">{report.path}</span>
          </span>
          <Button
            onPress={() =>
              action.run(async () => {
                await navigator.clipboard.writeText(report.path);
                setCopied(true);
              })
            }
          >
            {isCopied ? words.reportCopied : words.reportCopy}
          </Button>
        </div>
      )}
      {action.problem !== null && (
        <div className="settings-note">
          <ProblemNote problem={action.problem} onDismiss={action.clear} />
        </div>
      )}
    </>
  );
}
