// The peer: an ASP.NET Core + ONNX Runtime server written as plainly as a user would. Arguments: model path, address.
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

var session = new InferenceSession(args[0]);
var (inputName, input) = session.InputMetadata.First();
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions());
builder.WebHost.UseUrls(args[1]);
builder.WebHost.ConfigureKestrel(o => o.Limits.MaxRequestBodySize = null);
builder.Logging.ClearProviders();
var app = builder.Build();
app.MapGet("/health", () => "ok");
app.MapPost("/infer", (JsonElement request) =>
{
    var tensor = request.GetProperty("inputs")[0];
    var shape = tensor.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32()).ToArray();
    var data = tensor.GetProperty("data").EnumerateArray();
    var value = input.ElementType == typeof(byte)
        ? NamedOnnxValue.CreateFromTensor(inputName, new DenseTensor<byte>(data.Select(e => e.GetByte()).ToArray(), shape))
        : NamedOnnxValue.CreateFromTensor(inputName, new DenseTensor<float>(data.Select(e => e.GetSingle()).ToArray(), shape));
    using var results = session.Run([value]);
    return Results.Json(new { outputs = results.Select(r => new { name = r.Name, data = r.AsEnumerable<float>().ToArray() }).ToArray() });
});
app.Run();
