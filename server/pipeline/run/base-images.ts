// Which registries a Dockerfile has images from, for those that want a login.

/** Hosts, with their ports, each once; `docker.io` is that of names without one. Names that are put together in the Dockerfile are passed over. */
export function registriesIn(dockerfile: string): readonly string[] {
  const stages = new Set<string>(['scratch']);
  const hosts = new Set<string>();
  for (const [, image = '', stage] of dockerfile.matchAll(/^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)(?:[ \t]+AS[ \t]+(\S+))?/gim)) {
    if (!stages.has(image.toLowerCase()) && !image.includes('$')) hosts.add(registryOf(image));
    if (stage !== undefined) stages.add(stage.toLowerCase());
  }
  return [...hosts];
}

/** The first part of a name is a host when it looks like one. Source: distribution/reference, "splitDockerDomain". */
function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io';
}
