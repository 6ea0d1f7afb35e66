// Finds the registries of the images that a Dockerfile names.

/**
 * Returns each registry once, as host with port. Returns `docker.io` for names without a host. Ignores names that
 * contain variables.
 */
export function dockerfileRegistries(dockerfile: string): readonly string[] {
  const stages = new Set<string>(['scratch']);
  const hosts = new Set<string>();
  for (const [, image = '', stage] of dockerfile.matchAll(
    /^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)(?:[ \t]+AS[ \t]+(\S+))?/gim,
  )) {
    if (!stages.has(image.toLowerCase()) && !image.includes('$')) hosts.add(imageRegistry(image));
    if (stage !== undefined) stages.add(stage.toLowerCase());
  }
  return [...hosts];
}

/** Returns the first part of the name if it looks like a host. Source: distribution/reference, "splitDockerDomain". */
function imageRegistry(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io';
}
