// What becomes of files in a pipeline: where they come from, how they reach a job, and what is kept of those it made. The face of this room.

export { openWorkspace, type Workspace, type WorkspaceParts } from './workspace.ts';
export { releaseFolder } from './release-folder.ts';
export { packWorkspace, type CopyWish } from './copy.ts';
export { buildContext, type BuildContext } from './build-context.ts';
export { artifactWishes, type ArtifactGlob, type ArtifactWish } from './artifact-wishes.ts';
export { createArtifacts, type Artifacts, type Kept } from './artifacts.ts';
export { outputsIn, readOutputs } from './outputs.ts';
