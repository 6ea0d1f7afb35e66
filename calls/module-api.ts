// The exports of the package entry `distillery-gateway/calls`, for the modules that distillery.yaml names.

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
