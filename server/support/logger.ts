// The narrow face of the log: one object, one message. Never input, output or a token.

export interface Logger {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export const silent: Logger = { info() {}, warn() {}, error() {} };
