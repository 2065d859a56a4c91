// What every script prints: one line for each step, "PASS name" or "FAIL name: why", and a last line with the sums. Exit code 1 if a step failed.

let passed = 0;
let failed = 0;
const left = new Set((process.env.WITHOUT ?? '').split(/\s+/).filter(Boolean));

/** A variable of the environment; without it the script ends at once. */
export function given(name, otherwise) {
  const value = process.env[name] ?? otherwise;
  if (value === undefined) {
    console.error(`The environment variable ${name} is not set. README.md names all of them.`);
    process.exit(2);
  }
  return value;
}

/**
 * Runs steps that need each other: the first that fails ends the flow, not the script.
 * WITHOUT in the environment names the features (words) that the server under test does not have; flows and steps that need one are left out.
 */
export async function flow(name, steps, { needs } = {}) {
  if (needs && left.has(needs)) return;
  const step = async (title, run, { needs: feature } = {}) => {
    if (feature && left.has(feature)) return undefined;
    const full = `${name}: ${title}`;
    try {
      const result = await run();
      passed++;
      console.log(`PASS ${full}`);
      return result;
    } catch (error) {
      failed++;
      console.log(`FAIL ${full}: ${describe(error)}`);
      throw new Ended(error);
    }
  };
  try {
    await steps(step);
  } catch (error) {
    if (error instanceof Ended) return;
    failed++;
    console.log(`FAIL ${name}: between steps: ${describe(error)}`);
  }
}

export function end() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
}

/** Fails the step. */
export function fail(message) {
  throw new Error(message);
}

export function equal(actual, expected, what) {
  if (actual !== expected) fail(`${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

export function ok(value, what) {
  if (!value) fail(what);
}

/** The error with which the server refuses; anything else fails the step. */
export async function refused(promise, error) {
  let result;
  try {
    result = await promise;
  } catch (thrown) {
    const code = thrown.error ?? thrown.cause?.error ?? thrown.cause?.[0]?.parameters?.error;
    if (code !== error) fail(`refused with ${JSON.stringify(code)}, not ${JSON.stringify(error)}: ${describe(thrown)}`);
    return thrown;
  }
  return fail(`was not refused but answered: ${JSON.stringify(result)}`);
}

class Ended extends Error {}

function describe(error) {
  const parts = [];
  for (let e = error; e; e = e.cause) {
    if (!(e instanceof Error)) {
      parts.push(e instanceof Response ? `HTTP ${e.status}` : JSON.stringify(e));
      break;
    }
    const more = [e.code, e.status && `HTTP ${e.status}`, e.error, e.error_description].filter(Boolean).join(', ');
    parts.push(more && !e.message.includes(more) ? `${e.message} (${more})` : e.message);
  }
  return parts.join(' <- ').replace(/\s+/g, ' ');
}
