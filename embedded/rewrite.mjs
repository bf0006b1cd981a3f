/**
 * Statements that speak about "the session". All clients share PostgreSQL's one session, so these few
 * statements get a meaning per client: they are recognised by their first word, changed where they would touch
 * other clients, and described by a note that the client's session acts on when PostgreSQL has run them.
 *
 *   LISTEN x          runs; the note subscribes this client to x
 *   UNLISTEN x | *    runs nothing (others may listen); the note ends it for this client
 *   DEALLOCATE ALL    runs nothing; the note closes this client's statements
 *   PREPARE, EXECUTE, DEALLOCATE name     get the client's own name space
 *   DISCARD ALL       becomes RESET ALL, and the notes of UNLISTEN * and DEALLOCATE ALL
 *   SET, RESET        run; the note remembers them, to be applied again when it is this client's turn
 *   COPY … FROM STDIN reads from a virtual device instead (see copyin.mjs)
 *
 * Everything else, which is nearly everything, is not even cut into tokens.
 */
import { identifier, isWord, quoteIdentifier, statements } from './sql.mjs';

const SPACE = String.raw`(?:\s|--[^\n]*\n|/\*[^]*?\*/)*`;
const FIRST_WORD = 'listen|unlisten|deallocate|prepare|execute|discard|set|reset|copy';
const MAYBE = new RegExp(String.raw`(?:^|;)${SPACE}(?:${FIRST_WORD})\b`, 'i');
const NOTHING = "DO 'BEGIN END'";
/** The path that PostgreSQL sees as the data of COPY FROM STDIN. */
export const COPY_DEVICE = '/dev/rts_copy';

/**
 * @typedef {object} Note what the session does when the statement has completed
 * @property {string} [tag] the command tag to report instead of PostgreSQL's
 * @property {string} [listen] channel
 * @property {string} [unlisten] channel or '*'
 * @property {boolean} [deallocateAll]
 * @property {string} [prepared] SQL-level statement name that now exists
 * @property {{name: string, sql: string}} [set]
 * @property {string} [reset] setting name or '*'
 * @property {{binary: boolean, probe: string|null}} [copy] COPY FROM STDIN
 */

/**
 * @param {string} sql latin1
 * @param {string} prefix the client's prefix of statement names
 * @returns {{sql: string, notes: Array<Note|null>}} notes is empty when no statement needs one
 */
export function rewrite(sql, prefix) {
  if (!MAYBE.test(sql)) return { sql, notes: [] };
  const results = statements(sql).map((tokens) => one(sql, tokens, prefix));
  const edits = results.flatMap((result) => (result?.edit ? [result.edit] : []));
  return { sql: applyEdits(sql, edits), notes: results.map((result) => result?.note ?? null) };
}

/** Replaces the ranges `[start, end, text]`, given in order. */
function applyEdits(sql, edits) {
  let out = '';
  let at = 0;
  for (const [start, end, text] of edits) {
    out += sql.slice(at, start) + text;
    at = end;
  }
  return out + sql.slice(at);
}

const KINDS = {
  LISTEN: (sql, t) => ({ note: { listen: channel(t[1]) } }),
  UNLISTEN: (sql, t) => ({
    edit: whole(t, NOTHING),
    note: { tag: 'UNLISTEN', unlisten: t[1]?.text === '*' ? '*' : channel(t[1]) },
  }),
  DEALLOCATE: deallocate,
  PREPARE: prepare,
  EXECUTE: (sql, t, prefix) => ({ edit: rename(t[1], prefix) }),
  DISCARD: discard,
  SET: set,
  RESET: reset,
  COPY: copy,
};

function one(sql, tokens, prefix) {
  const kind = tokens[0].kind === 'word' ? KINDS[tokens[0].text.toUpperCase()] : undefined;
  return kind ? kind(sql, tokens, prefix) : null;
}

const whole = (tokens, text) => [tokens[0].start, tokens[tokens.length - 1].end, text];
/** PostgreSQL cuts identifiers to 63 bytes. */
const channel = (token) => identifier(token).slice(0, 63);

function rename(token, prefix) {
  return token ? [token.start, token.end, quoteIdentifier(prefix + identifier(token))] : undefined;
}

function deallocate(sql, tokens, prefix) {
  const token = isWord(tokens[1], 'PREPARE') ? tokens[2] : tokens[1];
  if (!isWord(token, 'ALL')) return { edit: rename(token, prefix) };
  return { edit: whole(tokens, NOTHING), note: { tag: 'DEALLOCATE ALL', deallocateAll: true } };
}

function prepare(sql, tokens, prefix) {
  if (isWord(tokens[1], 'TRANSACTION')) return null;
  return { edit: rename(tokens[1], prefix), note: { prepared: identifier(tokens[1]) } };
}

function discard(sql, tokens) {
  if (!isWord(tokens[1], 'ALL')) return null;
  const note = { tag: 'DISCARD ALL', unlisten: '*', deallocateAll: true, reset: '*' };
  return { edit: whole(tokens, 'RESET ALL'), note };
}

function set(sql, tokens) {
  const at = isWord(tokens[1], 'SESSION') ? 2 : 1;
  const first = tokens[at];
  const notForSession = ['LOCAL', 'TRANSACTION', 'CONSTRAINTS'].some((word) => isWord(first, word));
  if (!first || notForSession) return null;
  const end = tokens.findIndex((token, i) => i > at && (token.text === '=' || isWord(token, 'TO')));
  const name = isWord(first, 'TIME') ? 'timezone' : settingName(tokens.slice(at, end < 0 ? at + 1 : end));
  return { note: { set: { name, sql: sql.slice(tokens[0].start, tokens[tokens.length - 1].end) } } };
}

function reset(sql, tokens) {
  const name = isWord(tokens[1], 'TIME') ? 'timezone' : settingName(tokens.slice(1));
  return { note: { reset: name === 'all' ? '*' : name } };
}

const settingName = (tokens) => tokens.map(identifier).join('');

function copy(sql, tokens) {
  const from = topLevel(tokens, 'FROM');
  const stdin = tokens[from + 1];
  if (from < 0 || !isWord(stdin, 'STDIN')) return null;
  const options = tokens.slice(from + 2).map((token) => identifier(token).replaceAll("'", ''));
  const binary = isWord(tokens[1], 'BINARY') || options.includes('binary');
  const target = tokens.slice(isWord(tokens[1], 'BINARY') ? 2 : 1, from);
  const edit = [stdin.start, stdin.end, `'${COPY_DEVICE}'`];
  return { edit, note: { copy: { binary, probe: probe(sql, target) } } };
}

function topLevel(tokens, keyword) {
  let depth = 0;
  return tokens.findIndex((token) => {
    depth += token.text === '(' ? 1 : token.text === ')' ? -1 : 0;
    return depth === 0 && isWord(token, keyword);
  });
}

/** A query whose description shows whether the COPY's table and columns exist, and how many columns. */
function probe(sql, target) {
  if (target.length === 0) return null;
  const open = target.findIndex((token) => token.text === '(');
  const table = target.slice(0, open < 0 ? undefined : open);
  if (table.length === 0) return null;
  const text = (list) => sql.slice(list[0].start, list[list.length - 1].end);
  const columns = open < 0 ? '*' : text(target.slice(open)).slice(1, -1);
  return `SELECT ${columns} FROM ${text(table)}`;
}
