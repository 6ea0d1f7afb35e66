// A hook for Node's loader, behind tsx: tsx has each function told its name when it is made, by a call that costs five times as much as making the function
// (0.8 µs). Without that classes and functions keep their names; an arrow function has none, and a stack trace shows its file and line alone.
// Plain JavaScript, for Node reads it before TypeScript.

const helper = 'var __name=(target,value)=>__defProp(target,"name",{value,configurable:true});';
const plain = 'var __name=target=>target;';

/** See `load` in Node's documentation of module hooks. A source without the helper, as another tsx may write it, is passed on as it is. */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (loaded.format !== 'module' || loaded.source == null) return loaded;
  const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source).toString('utf8');
  return source.includes(helper) ? { ...loaded, source: source.replace(helper, plain) } : loaded;
}
