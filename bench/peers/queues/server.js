// The queues a user would have taken instead: fastify in front of a job queue, written as plainly as its own guide does. Arguments: kind (pg-boss, graphile-worker, bullmq), address of its
// store, port. A job is stored before 202 leaves. The worker lives in the same process and does nothing with a job.
import Fastify from "fastify";

const [kind, address, port] = process.argv.slice(2);
const concurrency = 10; // as graphile-worker has it by default
const later = 3600; // seconds: long after the benchmark

/** Each gives: add(queue, body, seconds) → id, and work(queue, handler(id)). */
const kinds = {
  async "pg-boss"() {
    const { PgBoss } = await import("pg-boss");
    const boss = new PgBoss({ connectionString: address, useListenNotify: true });
    boss.on("error", console.error);
    await boss.start();
    for (const queue of ["waiting", "drained", "live"]) await boss.createQueue(queue, { notify: true });
    return {
      add: (queue, body, seconds) => boss.send(queue, body, seconds ? { startAfter: seconds } : {}),
      // Batches, and no pause while they come back full: its fastest way.
      work: (queue, handler) =>
        boss.work(queue, { batchSize: 100, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }, async (jobs) => jobs.forEach((job) => handler(job.id))),
    };
  },

  async "graphile-worker"() {
    const { Logger, makeWorkerUtils, run } = await import("graphile-worker");
    const logger = new Logger(() => () => {}); // by default it writes a line for each job
    const utils = await makeWorkerUtils({ connectionString: address, logger });
    await utils.migrate();
    return {
      add: async (queue, body, seconds) => (await utils.addJob(queue, body, seconds ? { runAt: new Date(Date.now() + seconds * 1000) } : {})).id,
      work: (queue, handler) => run({ connectionString: address, concurrency, logger, crontab: "", noHandleSignals: true, taskList: { [queue]: async (_, helpers) => handler(helpers.job.id) } }),
    };
  },

  async bullmq() {
    const { Queue, Worker } = await import("bullmq");
    const connection = { url: address };
    const queues = {};
    const of = (name) => (queues[name] ??= new Queue(name, { connection }));
    return {
      add: async (queue, body, seconds) => (await of(queue).add("job", body, { delay: seconds ? seconds * 1000 : 0, removeOnComplete: true })).id,
      work: (queue, handler) => new Worker(queue, async (job) => handler(job.id), { connection, concurrency }),
    };
  },
};

const queue = await kinds[kind]();
const app = Fastify({ bodyLimit: 1 << 20 });
const accepted = (reply, id) => reply.code(202).send({ id });
let done = 0;
const ended = new Set();
const waited = new Map();

app.get("/health", () => "ok");
app.post("/later", async (request, reply) => accepted(reply, await queue.add("waiting", request.body, later)));
app.post("/queue", async (request, reply) => accepted(reply, await queue.add("drained", request.body)));
app.post("/drain", async () => {
  await queue.work("drained", () => done++);
  return {};
});
app.get("/done", () => ({ done }));

// One at a time: the answer is there when the worker has run the job.
app.post("/live/start", async () => {
  await queue.work("live", (id) => {
    const tell = waited.get(String(id));
    if (tell) tell();
    else ended.add(String(id));
  });
  return {};
});
app.post("/live", async (request, reply) => accepted(reply, await queue.add("live", request.body)));
app.get("/live/:id", async (request) => {
  const { id } = request.params;
  if (!ended.delete(id)) await new Promise((resolve) => waited.set(id, resolve));
  waited.delete(id);
  return {};
});
app.post("/direct", () => ({}));

await app.listen({ host: "127.0.0.1", port: Number(port) });
