// `distillery run [FILE]`: runs a pipeline file at the gateway, with the files it needs, and shows the progress of its
// jobs.

import { resolve } from 'node:path';
import { Command } from 'commander';
import { type Item, type OpenCall, openCall } from '../../../protocol/client/client.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { formatSize } from '../call/format.ts';
import { runSession } from '../call/run-session.ts';
import { printable, printError } from '../call/status.ts';
import type { View } from '../call/view.ts';
import { exitCodeForResult, exitCodes } from '../exit-codes.ts';
import type { GatewayAddress } from '../gateway/address.ts';
import { type GatewayChoice, withRunningOrPrivateGateway } from '../gateway/private-gateway.ts';
import { choosePipelineView } from '../pipeline/choose-view.ts';
import { defaultFiles, type PipelineFile, readPipelineFile } from '../pipeline/load-file.ts';
import { filterTracked } from '../pipeline/tracked-files.ts';
import { type FolderToSend, folderError, ignoreFile, sendFolder } from '../pipeline/upload-folder.ts';
import { type GatewayFlags, gatewayOptionTexts, withGateway } from './gateway-options.ts';
import { parseRunId } from './run-id.ts';
import { jobOption, type Variables, variableOption } from './var-option.ts';

interface RunFlags extends GatewayFlags {
  readonly filepath?: string;
  readonly name?: string;
  readonly job: readonly string[];
  readonly var: Variables;
  readonly workspace?: string;
  readonly gatewayWorkspace?: string;
  readonly detach?: true;
  readonly plain?: true;
  readonly json?: true;
  readonly quiet?: true;
  readonly id?: string;
  readonly onDisconnect?: string;
  readonly reconnect: boolean;
  readonly result?: string;
  readonly gateway?: true;
  readonly git?: true;
}

const helpFooter = `
FILE defaults to ${defaultFiles.join(', else ')}; "-" is stdin. The command checks the
file first and prints every diagnostic. A file that is not valid is not sent.

If no gateway answers, the command runs one itself until the end of the run, in this process and
with the configuration and data folder of "distillery serve". --url and --gateway require a
running one.

If a job needs files (copyFiles, dockerfile, host), the command sends the current folder, or that
of --workspace. Patterns in ${ignoreFile}, written as in .gitignore, exclude files.

At a terminal, a live view shows one row per job, and at the end the last lines of failed jobs.
Elsewhere, or with --plain, stdout has every line as "[job] line", and stderr the progress of jobs.
Ctrl-C cancels the run and waits until everything it started is gone. A second Ctrl-C skips the
grace, and a third one exits at once.

Exit codes: 0 succeeded, or accepted with --detach; the exit code of the first failed job (1 if it
has none), also 1 if the file does not exist or is not valid; 2 rejected, or the configuration is
not valid; 124 timed out; 125 unknown, or the gateway cannot be reached or started; 130 cancelled.

Examples:
  $ distillery run
  $ distillery run release.yaml --var VERSION=1.4.0
  $ distillery run --plain --workspace none check.yaml > log.txt
  $ run=$(distillery run --detach nightly.yaml) && distillery attach "$run"`;

export function runCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('run')
    .alias('apply')
    .summary('run a pipeline file and watch its jobs')
    .description(
      'Sends a pipeline and the files it needs to the gateway, and watches it to the end. Needs no running gateway.',
    )
    .argument('[file]', 'the pipeline file')
    .option('-f, --filepath <file>', 'alias of [file]')
    .option('-n, --name <name>', 'name of the pipeline in messages of the gateway; by default the name of the file')
    .addOption(jobOption())
    .addOption(variableOption())
    .option('-w, --workspace <folder>', 'folder to send, even if no job needs it; "none" sends no files')
    .option('--git', 'send only the files that git tracks')
    .option(
      '--gateway-workspace <folder>',
      "use this folder of the gateway's machine instead; the operator has to allow it",
    )
    .option('-d, --detach', 'print the id of the run and exit as soon as the files are sent')
    .option('--plain', 'print lines instead of the live view')
    .option('--json', 'print everything on stdout as JSON, one value per line')
    .option('-q, --quiet', 'print no status')
    .option('--id <run>', 'id of the run; resumes a run that has the id', parseRunId)
    .option(
      '--on-disconnect <policy>',
      'what happens to the run if this client disconnects: cancel, detach, or grace:30s',
    )
    .option('--no-reconnect', 'exit if the connection is lost')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .option('--gateway', 'use a running gateway, and fail if there is none')
    .option('--url <url>', gatewayOptionTexts.url)
    .option('--config <file>', gatewayOptionTexts.config)
    .addHelpText('after', helpFooter)
    .action(async (file: string | undefined, flags: RunFlags) =>
      exit(await run(file ?? flags.filepath, flags, { backend, stdio })),
    );
}

/** The grace equals the time for which the client tries to reconnect. */
const defaultDisconnectPolicy = 'grace:1m';

interface RunDeps {
  readonly backend: CliBackend;
  readonly stdio: Stdio;
}

async function run(named: string | undefined, flags: RunFlags, { backend, stdio }: RunDeps): Promise<number> {
  // With --json, print no warnings on stderr: stdout has them as events.
  const quiet = flags.quiet === true || flags.json === true;
  const pipeline = await readPipelineFile(named, flags, { backend, stdio, quiet });
  if (pipeline === undefined) return exitCodes.failed;
  const folder = folderToSend(flags, pipeline);
  const toSend = folder === undefined ? undefined : await checkFolder(folder, flags);
  if (toSend !== undefined && 'error' in toSend) {
    printError([toSend.error], stdio);
    return exitCodes.failed;
  }
  return withGateway(flags, { backend, stdio }, (address) =>
    withRunningOrPrivateGateway(address, gatewayChoice(flags), {
      backend,
      stdio,
      work: (found) => runAtGateway(found, { flags, pipeline, folder: toSend, stdio }),
    }),
  );
}

async function checkFolder(folder: string, { git }: RunFlags): Promise<FolderToSend | { readonly error: string }> {
  const error = await folderError(folder);
  if (error !== undefined) return { error };
  if (git !== true) return { folder };
  const filter = await filterTracked(folder);
  return 'error' in filter ? filter : { folder, filter };
}

function gatewayChoice({ config, gateway, detach, onDisconnect, quiet }: RunFlags): GatewayChoice {
  const option = detach === true ? '--detach' : onDisconnect === 'detach' ? '--on-disconnect detach' : undefined;
  return {
    ...(config !== undefined && { config }),
    running: gateway === true,
    ...(option !== undefined && { whyLasting: `${option} needs one that keeps running` }),
    quiet: quiet === true,
  };
}

function folderToSend({ workspace, gatewayWorkspace }: RunFlags, { read }: PipelineFile): string | undefined {
  if (gatewayWorkspace !== undefined || workspace === 'none') return undefined;
  return workspace ?? (read.plan.wantsFiles ? '.' : undefined);
}

interface RunContext {
  readonly flags: RunFlags;
  readonly pipeline: PipelineFile;
  readonly folder: FolderToSend | undefined;
  readonly stdio: Stdio;
}

function runAtGateway(address: GatewayAddress, { flags, pipeline, folder, stdio }: RunContext): Promise<number> {
  const { id, result, detach = false } = flags;
  const onDisconnect =
    flags.onDisconnect ?? (detach ? 'detach' : flags.reconnect ? defaultDisconnectPolicy : undefined);
  const view = choosePipelineView(flags, stdio);
  const printStatus = (line: string): void => {
    if (flags.quiet === true) return;
    if (view.printStatus === undefined) stdio.stderr.write(`${printable(line)}\n`);
    else view.printStatus(printable(line));
  };
  let accepted = false;
  return runSession(
    {
      address,
      view,
      quiet: flags.quiet === true,
      reconnect: flags.reconnect,
      wasShown: (item) => wasPrinted(pipeline, item),
      onInterrupt: 'cancel',
      output: detach ? 'nowhere' : 'stdout',
      ...(result !== undefined && { resultFile: result }),
      open: (link) =>
        openCall({
          ...link,
          call: 'pipeline.run',
          params: [pipeline.text, JSON.stringify(pipelineOptions(flags, pipeline, folder))],
          ...(id !== undefined && { run: id }),
          ...(onDisconnect !== undefined && { onDisconnect }),
        }),
      input: async (call) => {
        if (folder === undefined) call.end();
        else await sendWithProgress(folder, call, { view, printStatus });
        if (detach) call.detach();
      },
      onRun: (open: OpenCall) => {
        if (address.socketPath === undefined && flags.json !== true) printStatus(`using the gateway at ${address.url}`);
        accepted = true;
        if (detach) stdio.stdout.write(`${open.id}\n`);
      },
      ...(detach && {
        exitCode: (ended) => (accepted && ended.status === 'detached' ? exitCodes.succeeded : exitCodeForResult(ended)),
      }),
    },
    stdio,
  );
}

/**
 * Returns true for a warning that the command has printed. The gateway checks the file again and repeats the warnings.
 */
function wasPrinted({ read: { warnings } }: PipelineFile, item: Item): boolean {
  if (!('event' in item) || item.event.type !== 'pipeline-warning') return false;
  const { message, line, column } = item.event;
  return warnings.some((known) => known.message === message && known.line === line && known.column === column);
}

function pipelineOptions(
  { var: variables, gatewayWorkspace, name, job }: RunFlags,
  { file }: PipelineFile,
  folder: FolderToSend | undefined,
): object {
  return {
    file: name ?? baseName(file),
    variables,
    workspace: gatewayWorkspace ?? (folder === undefined ? 'none' : 'input'),
    // Send the option only if needed, because earlier versions of the gateway do not know it.
    ...(job.length > 0 && { jobs: job }),
  };
}

/** The gateway's diagnostics name the file without its folder on this machine. */
function baseName(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).slice(0, 200);
}

/** Sends the folder and shows how much is sent. */
async function sendWithProgress(
  toSend: FolderToSend,
  call: OpenCall,
  { view, printStatus }: { readonly view: View; printStatus(line: string): void },
): Promise<void> {
  const progress = view.progress?.bind(view) ?? (() => {});
  const sent = await sendFolder(toSend, call, {
    onProgress: (tally) => progress(`sending files: ${tally.files} (${formatSize(tally.bytes)})`),
    onWarning: (path, what) => printStatus(`warning: ${path}: ${what}`),
  });
  progress(undefined);
  if (sent === undefined) return;
  const largest = sent.largest === undefined ? '' : `; largest: ${sent.largest}`;
  const files = `${sent.files} file${sent.files === 1 ? '' : 's'} (${formatSize(sent.bytes)})`;
  printStatus(`sent ${files} of ${resolve(toSend.folder)}${largest}`);
  if (sent.suspects.length > 0)
    printStatus(
      `warning: also sent ${sent.suspects.join(', ')}: list what to leave out in ${ignoreFile}, or send only what git` +
        ' tracks with --git',
    );
}
