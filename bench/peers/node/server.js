// The peer: fastify + onnxruntime-node, written as plainly as a user would. Arguments: model path, port.
import Fastify from "fastify";
import ort from "onnxruntime-node";

const session = await ort.InferenceSession.create(process.argv[2]);
const app = Fastify({ bodyLimit: 64 << 20 });

app.get("/health", () => "ok");
app.post("/infer", async (request) => {
  const { name, datatype, shape, data } = request.body.inputs[0];
  const tensor = datatype === "UINT8"
    ? new ort.Tensor("uint8", Uint8Array.from(data), shape)
    : new ort.Tensor("float32", Float32Array.from(data), shape);
  const results = await session.run({ [name]: tensor });
  return { outputs: Object.entries(results).map(([output, value]) => ({ name: output, data: Array.from(value.data) })) };
});

await app.listen({ host: "127.0.0.1", port: Number(process.argv[3]) });
