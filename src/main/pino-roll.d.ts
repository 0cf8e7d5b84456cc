// pino-roll 4 ships without types; this is the part that rolling-file.ts uses.
declare module 'pino-roll' {
  export default function build(options: {
    file: string;
    size: string;
    limit: { count: number; removeOtherLogFiles: boolean };
    mkdir: boolean;
    mode: number;
  }): Promise<unknown>;
}
