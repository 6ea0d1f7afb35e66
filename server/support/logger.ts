// Interface of the gateway's log: one object and one message for each event. Never log input, output or a token.

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const nullLogger: Logger = { info() {}, warn() {}, error() {} };
