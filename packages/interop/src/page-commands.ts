/** Runs in the pages of a {@link Browser}: takes commands, runs them, posts what they give. The other half is browser-page.ts. */
import './page-exchange.ts';
import './page-peer.ts';

const pageNumber = new URLSearchParams(location.search).get('page');
const commands = new EventSource(`/commands?page=${pageNumber}`);

commands.onmessage = async ({ data }: MessageEvent<string>) => {
  const { id, source, argument }: { id: number; source: string; argument: unknown } = JSON.parse(data);
  const result = await run(source, argument);
  await fetch(`/results?page=${pageNumber}`, { method: 'POST', body: JSON.stringify({ id, ...result }) });
};

async function run(source: string, argument: unknown): Promise<{ value: unknown } | { error: string }> {
  try {
    // oxlint-disable-next-line no-eval -- an indirect eval: the function sees the page's globals, and nothing of this script
    return { value: await (0, eval)(`(${source})`)(argument) };
  } catch (error) {
    return { error: String(error) };
  }
}
