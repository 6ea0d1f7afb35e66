// The systems that are shown to this caller: running ones that did not opt out.

import type { Config, System } from '../../config/config.ts';
import type { HttpParts } from '../parts.ts';
import type { Answer, Question } from '../route.ts';
import { respelt } from '../spelling.ts';

export function systems(question: Question, parts: HttpParts): Answer {
  return { json: shown(question, parts) };
}

export function systemsAlias(question: Question, parts: HttpParts): Answer {
  const older = shown(question, parts).map((system) => ({ ...system, lastEdit: system.lastEdit ?? zeroTime }));
  return { json: older.map((system) => respelt(system, spelling)) };
}

const spelling = { slug: 'Slug', url: 'URL', tagline: 'Tagline', entityCount: 'EntityCount', bundleCount: 'BundleCount', lastEdit: 'LastEdit' };

/** How the older spelling writes an unknown time. */
const zeroTime = '0001-01-01T00:00:00Z';

type Shown = Omit<System, 'running' | 'listed'>;

function shown(question: Question, parts: HttpParts): readonly Shown[] {
  const config = parts.config();
  if (!mayList(question, parts, config.home.list)) return [];
  return config.systems.filter((system) => system.running && system.listed).map(told);
}

// A token without the scope sees what an anonymous caller sees.
function mayList({ caller }: Question, { access }: HttpParts, list: Config['home']['list']): boolean {
  const known = caller.user !== '' && (!caller.token || access.allows(caller, 'instances.directory'));
  return known ? list.private : list.public;
}

function told({ slug, url, tagline, entityCount, bundleCount, lastEdit }: System): Shown {
  return { slug, url, tagline, entityCount, bundleCount, lastEdit };
}
