// The exports of `distillery-gateway/calls`, which modules named in distillery.yaml import.

export type { Call, CallResult } from './contract/call.ts';
export type { Context } from './contract/context.ts';
export type {
  ContainerSpec,
  EngineName,
  Engines,
  Exit,
  PipelineResult,
  PipelineSpec,
  ProcessSpec,
  StopSignal,
  TerminalSpec,
} from './contract/engines.ts';
export { WorkFailed, WorkLost } from './contract/engines.ts';
export type { ParamDeclaration as Param } from './declare/declaration.ts';
export type { CallDefinition, DefinedCall } from './declare/define-call.ts';
export { defineCall } from './declare/define-call.ts';
