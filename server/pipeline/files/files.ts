// Public exports of the folder `files`: workspaces, copies into jobs, artifacts and outputs.

export { describeSkipped } from './artifact-filter.ts';
export { type ArtifactRequest, artifactRequests } from './artifact-requests.ts';
export { type Artifacts, createArtifacts } from './artifacts.ts';
export { buildContext } from './build-context.ts';
export { packWorkspace } from './pack-workspace.ts';
export { readOutputs } from './parse-outputs.ts';
export { releaseFolder } from './release-folder.ts';
export { openWorkspace, type Workspace } from './workspace.ts';
