using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.Protocol;
using Dormouse.Protocol.Inference.Wire;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;
using Google.Protobuf;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>Inferences on small models of our own: every datatype, every form, and every way to fail.</summary>
public sealed class InferTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Onnx.Bool, "BOOL")]
    [InlineData(Onnx.Uint8, "UINT8")]
    [InlineData(Onnx.Uint16, "UINT16")]
    [InlineData(Onnx.Uint32, "UINT32")]
    [InlineData(Onnx.Uint64, "UINT64")]
    [InlineData(Onnx.Int8, "INT8")]
    [InlineData(Onnx.Int16, "INT16")]
    [InlineData(Onnx.Int32, "INT32")]
    [InlineData(Onnx.Int64, "INT64")]
    [InlineData(Onnx.Float16, "FP16")]
    [InlineData(Onnx.Bfloat16, "BF16")]
    [InlineData(Onnx.Float, "FP32")]
    [InlineData(Onnx.Double, "FP64")]
    public async Task Every_datatype_comes_back_unchanged(int type, string datatype)
    {
        using var folder = new ModelFolder(Onnx.Identity(type, "n"));
        await using var worker = await ServeAsync(folder);
        var size = TestTensor.ElementSize(datatype);
        // Small finite numbers in every type: 0, 1 and 2 in the last byte only.
        var data = new byte[3 * size];
        data[size - 1] = datatype == "BOOL" ? (byte)1 : (byte)0x3C;
        data[(2 * size) - 1] = datatype == "BOOL" ? (byte)0 : (byte)0x01;
        var tensor = new TestTensor("x", datatype, [3], data);

        var binary = await InferCall.BinaryAsync(worker, [tensor]);
        Assert.Equal(data, binary.Outputs["y"].Data);
        Assert.Equal(datatype, binary.Outputs["y"].Datatype);
        if (datatype is not ("FP16" or "BF16"))
        {
            var json = await InferCall.JsonAsync(worker, [tensor]);
            Assert.Equal(data, json.Outputs["y"].Data);
        }
    }

    [Fact]
    public async Task Texts_come_back_unchanged_with_zero_bytes_and_empty_ones()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.String, "n"));
        await using var worker = await ServeAsync(folder);
        byte[] data = [.. InferCall.Prefixed([]), .. InferCall.Prefixed([0, 1, 0]), .. InferCall.Prefixed(Encoding.UTF8.GetBytes("zwölf 🙂")), .. InferCall.Prefixed([0xFF, 0xFE])];

        var binary = await InferCall.BinaryAsync(worker, [new TestTensor("x", "BYTES", [4], data)]);

        Assert.Equal(data, binary.Outputs["y"].Data);
    }

    [Fact]
    public async Task Empty_tensors_and_scalars_pass()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n", 2));
        await using var worker = await ServeAsync(folder);
        var empty = await InferCall.BinaryAsync(worker, [new TestTensor("x", "FP32", [0, 2], [])]);
        Assert.Equal([0, 2], empty.Outputs["y"].Shape);
        Assert.Empty(empty.Outputs["y"].Data);

        using var scalar = new ModelFolder(Onnx.Identity(Onnx.Int64));
        await using var second = await ServeAsync(scalar);
        var answer = await InferCall.JsonAsync(second, [new TestTensor("x", "INT64", [], BitConverter.GetBytes(long.MaxValue))]);
        Assert.Empty(answer.Outputs["y"].Shape);
        Assert.Equal(long.MaxValue, BitConverter.ToInt64(answer.Outputs["y"].Data));
    }

    [Fact]
    public async Task A_model_without_inputs_runs()
    {
        var constant = Onnx.Node("Constant", [], ["y"], Onnx.TensorAttribute("value", Onnx.Tensor("v", Onnx.Float, new[] { 2.5f }, 1)));
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(constant, Onnx.Output("y", Onnx.Float, 1))));
        await using var worker = await ServeAsync(folder);

        var answer = await InferCall.JsonAsync(worker, []);

        Assert.Equal(2.5, answer.Outputs["y"].Value(0));
    }

    [Fact]
    public async Task An_answer_carries_names_id_length_and_the_runs_times()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder);

        var answer = await InferCall.SendAsync(worker, """{"id":"42","inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"""u8.ToArray(), jsonLength: null);

        Assert.Equal(("m", "3", "42"), (answer.Json["model_name"]!.GetValue<string>(), answer.Json["model_version"]!.GetValue<string>(), answer.Json["id"]!.GetValue<string>()));
        Assert.NotNull(answer.Response.Content.Headers.ContentLength);
        Assert.Equal("application/json", answer.Response.Content.Headers.ContentType!.MediaType);
        Assert.Matches(@"^\d+$", answer.Response.Headers.GetValues(DormouseHeaders.RunMicroseconds).Single());
        Assert.Matches(@"^\d+$", answer.Response.Headers.GetValues(DormouseHeaders.CpuMicroseconds).Single());
    }

    [Fact]
    public async Task Only_the_outputs_asked_for_are_answered_in_that_order()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("Neg", ["x"], ["a"]), Onnx.Node("Abs", ["x"], ["b"]), Onnx.Node("Relu", ["x"], ["c"]),
            Onnx.Input("x", Onnx.Float, 1), Onnx.Output("a", Onnx.Float, 1), Onnx.Output("b", Onnx.Float, 1), Onnx.Output("c", Onnx.Float, 1))));
        await using var worker = await ServeAsync(folder);

        var outputs = new JsonArray(new JsonObject { ["name"] = "c" }, new JsonObject { ["name"] = "a", ["parameters"] = new JsonObject { ["binary_data"] = true } });
        var answer = await InferCall.JsonAsync(worker, [new TestTensor("x", "FP32", [1], BitConverter.GetBytes(-2f))], outputs);

        Assert.Equal(["c", "a"], answer.Outputs.Keys);
        Assert.Equal(2, answer.Outputs["a"].Value(0));
        Assert.Equal("application/octet-stream", answer.Response.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task Classification_answers_the_best_with_labels_of_the_package()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n", 3)).Write("labels.txt", "cat\ndog\n"u8.ToArray());
        await using var worker = await ServeAsync(folder, a => a with { LabelsPath = "labels.txt" });

        var outputs = new JsonArray(new JsonObject { ["name"] = "y", ["parameters"] = new JsonObject { ["classification"] = 2 } });
        var data = MemoryMarshal.AsBytes<float>(new[] { 0.1f, 0.75f, 0.5f, 3f, 3f, 1f }).ToArray();
        var answer = await InferCall.JsonAsync(worker, [new TestTensor("x", "FP32", [2, 3], data)], outputs);

        Assert.Equal([2, 2], answer.Outputs["y"].Shape);
        Assert.Equal(["0.75:1:dog", "0.5:2", "3:0:cat", "3:1:dog"], TestTensor.Texts(answer.Outputs["y"].Data));
    }

    [Theory]
    [InlineData("""{"labels":{"file":"animals.txt"}}""", "0.75:1:dog", "0.5:2")]
    [InlineData("""{"labels":{"names":["a","b","c"]}}""", "0.75:1:b", "0.5:2:c")]
    [InlineData("""{"labels":{"output":"classes"},"names":{"classes":"y"}}""", "0.75:1:other", "0.5:2")]
    [InlineData("""{"names":{"classes":"y"}}""", "0.75:1:other", "0.5:2")]
    public async Task Classification_takes_the_signatures_labels_before_those_of_the_labels_file(string signature, string first, string second)
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 3)).Write("labels.txt", "one\nother\n"u8.ToArray()).Write("animals.txt", "cat\ndog\n"u8.ToArray());
        await using var worker = await ServeAsync(folder, a => a with { Signature = signature, LabelsPath = "labels.txt" });
        var name = signature.Contains("classes", StringComparison.Ordinal) ? "classes" : "y";

        var outputs = new JsonArray(new JsonObject { ["name"] = name, ["parameters"] = new JsonObject { ["classification"] = 2 } });
        var data = MemoryMarshal.AsBytes<float>(new[] { 0.1f, 0.75f, 0.5f }).ToArray();
        var answer = await InferCall.JsonAsync(worker, [new TestTensor("x", "FP32", [3], data)], outputs);

        Assert.Equal([first, second], TestTensor.Texts(answer.Outputs[name].Data));
    }

    [Fact]
    public async Task Plain_names_of_a_signature_take_the_place_of_the_models_own()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder, a => a with { Signature = """{"names":{"number":"x","same":"y"}}""" });

        var answer = await InferCall.JsonAsync(worker, [new TestTensor("number", "FP32", [1], BitConverter.GetBytes(4f))]);

        Assert.Equal(4, answer.Outputs["same"].Value(0));
    }

    [Fact]
    public async Task Maps_with_text_keys_become_a_table_in_the_order_of_the_keys()
    {
        var labels = new Proto().Text(1, "classlabels_strings").Text(9, "pear").Text(9, "apple").Number(20, 8);
        var maps = new Proto().Message(4, new Proto().Message(1, new Proto().Message(5, new Proto().Number(1, Onnx.String).Message(2, Onnx.TensorType(Onnx.Float)))));
        using var folder = new ModelFolder(Onnx.Model(
            Onnx.Graph(Onnx.NodeOf("ai.onnx.ml", "ZipMap", ["x"], ["p"], labels), Onnx.Input("x", Onnx.Float, "n", 2), (12, Onnx.Value("p", maps))),
            more: Onnx.OperatorSet("ai.onnx.ml", 1)));
        await using var worker = await ServeAsync(folder);
        var data = MemoryMarshal.AsBytes<float>(new[] { 0.25f, 0.75f, 1f, 0f }).ToArray();

        var answer = await InferCall.JsonAsync(worker, [new TestTensor("x", "FP32", [2, 2], data)]);
        var keys = await InferCall.JsonAsync(worker, [new TestTensor("x", "FP32", [2, 2], data)], [new JsonObject { ["name"] = "p_keys" }]);

        Assert.Equal(["apple", "pear"], TestTensor.Texts(answer.Outputs["p_keys"].Data));
        Assert.Equal([2, 2], answer.Outputs["p"].Shape);
        Assert.Equal([0.75, 0.25, 0, 1], Enumerable.Range(0, 4).Select(answer.Outputs["p"].Value));
        Assert.Equal(["p_keys"], keys.Outputs.Keys);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Compressed_bodies_are_read(string encoding)
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder);
        var answer = await InferCall.SendAsync(
            worker, Compress(encoding, """{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[8]}]}"""u8.ToArray()), jsonLength: null, encoding);
        Assert.Equal(8, answer.Outputs["y"].Value(0));
    }

    [Theory]
    [InlineData(64, 16)]
    [InlineData(512, 128)]
    [InlineData(4096, 256)]
    public async Task A_bomb_that_unpacks_beyond_its_share_of_the_memory_is_refused(int memoryMib, int limitMib)
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder, a => a with { MemoryMib = memoryMib });
        var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            var zeros = new byte[1024 * 1024];
            for (var mebibyte = 0; mebibyte <= limitMib; mebibyte++)
            {
                gzip.Write(zeros);
            }
        }

        var answer = await InferCall.SendAsync(worker, packed.ToArray(), jsonLength: null, "gzip");

        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "body_too_large"), (answer.Response.StatusCode, answer.Code));
        Assert.Contains($"{limitMib << 20} bytes", answer.Detail, StringComparison.Ordinal);
        await StillAnswersAsync(worker);
    }

    [Theory]
    [InlineData("gzip", 1)]
    [InlineData("gzip", 8)]
    [InlineData("gzip", 20)]
    [InlineData("deflate", 1)]
    [InlineData("deflate", 4)]
    public async Task A_compressed_body_that_is_cut_off_is_refused_even_when_its_content_is_whole(string encoding, int missing)
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder);
        var whole = Compress(encoding, """{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[8]}]}"""u8.ToArray());

        var answer = await InferCall.SendAsync(worker, whole[..^missing], jsonLength: null, encoding);

        Assert.Equal((HttpStatusCode.BadRequest, "request_invalid"), (answer.Response.StatusCode, answer.Code));
        Assert.Contains("cut off", answer.Detail, StringComparison.Ordinal);
        await StillAnswersAsync(worker);
    }

    [Fact]
    public async Task Damaged_and_unknown_encodings_are_refused()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder);

        Assert.Equal("request_invalid", (await InferCall.SendAsync(worker, [1, 2, 3, 4], jsonLength: null, "gzip")).Code);
        Assert.Equal("media_type_unsupported", (await InferCall.SendAsync(worker, [1, 2, 3, 4], jsonLength: null, "br")).Code);
        await StillAnswersAsync(worker);
    }

    [Fact]
    public async Task Malformed_requests_get_an_error_of_the_protocol_and_the_instance_goes_on()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder);
        foreach (var body in new[]
        {
            "", "{", "[]", """{"inputs":[{"name":"z","shape":[1],"datatype":"FP32","data":[1]}]}""", """{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]}""",
            """{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[1]}]}""", """{"inputs":[]}""",
        })
        {
            var answer = await InferCall.SendAsync(worker, Encoding.UTF8.GetBytes(body), jsonLength: null);
            Assert.Equal(HttpStatusCode.BadRequest, answer.Response.StatusCode);
            Assert.Equal(answer.Detail, answer.Json["error"]!.GetValue<string>());
        }

        Assert.Equal("request_invalid", (await InferCall.SendAsync(worker, "{}"u8.ToArray(), jsonLength: 900)).Code);
        await StillAnswersAsync(worker);
    }

    [Fact]
    public async Task A_protobuf_request_gets_a_protobuf_answer()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, "n"));
        await using var worker = await ServeAsync(folder);
        var request = new ModelInferRequest { ModelName = "m", Id = "7" };
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor { Name = "x", Datatype = "FP32", Shape = { 2 }, Contents = new InferTensorContents { Fp32Contents = { 1.5f, 2f } } });
        using var content = new ByteArrayContent(request.ToByteArray());
        content.Headers.ContentType = new("application/x-protobuf");

        var response = await worker.Client.PostAsync("infer", content, Cancellation);

        Assert.Equal("application/x-protobuf", response.Content.Headers.ContentType!.MediaType);
        var answer = ModelInferResponse.Parser.ParseFrom(await response.Content.ReadAsByteArrayAsync(Cancellation));
        Assert.Equal("7", answer.Id);
        Assert.Equal(MemoryMarshal.AsBytes<float>(new[] { 1.5f, 2f }), answer.RawOutputContents[0].Span);
    }

    [Fact]
    public async Task A_mismatch_that_only_the_run_finds_is_the_inputs_fault()
    {
        using var folder = new ModelFolder(Onnx.Add());
        await using var worker = await ServeAsync(folder);

        var answer = await InferCall.BinaryAsync(worker, [new TestTensor("a", "FP32", [2], new byte[8]), new TestTensor("b", "FP32", [3], new byte[12])]);

        Assert.Equal((HttpStatusCode.BadRequest, "input_invalid"), (answer.Response.StatusCode, answer.Code));
        Assert.Equal("The model cannot run on this input: node 'node_c' (Add): Attempting to broadcast an axis by a dimension other than 1. 2 by 3", answer.Detail);
    }

    [Fact]
    public async Task A_fault_of_the_engines_own_helpers_is_told_without_their_names()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("MatMul", ["a", "b"], ["c"]), Onnx.Input("a", Onnx.Float, "n", "m"), Onnx.Input("b", Onnx.Float, "k", "l"), Onnx.Output("c", Onnx.Float, "i", "j"))));
        await using var worker = await ServeAsync(folder);

        var answer = await InferCall.BinaryAsync(worker, [new TestTensor("a", "FP32", [1, 2], new byte[8]), new TestTensor("b", "FP32", [3, 1], new byte[12])]);

        Assert.Equal(("input_invalid", "The model cannot run on this input: node 'node_c' (MatMul): MatMul dimension mismatch"), (answer.Code, answer.Detail));
    }

    [Fact]
    public async Task An_output_of_hundreds_of_gigabytes_is_refused_and_the_instance_goes_on()
    {
        using var folder = new ModelFolder(Onnx.Model(Onnx.Graph(
            Onnx.Node("ConstantOfShape", ["s"], ["y"]), Onnx.Input("s", Onnx.Int64, 1), Onnx.Output("y", Onnx.Float, "n"))));
        await using var worker = await ServeAsync(folder);

        foreach (var elements in new[] { 100_000_000_000, long.MaxValue / 2, long.MaxValue })
        {
            var answer = await InferCall.BinaryAsync(worker, [new TestTensor("s", "INT64", [1], BitConverter.GetBytes(elements))]);
            Assert.True(answer.Code == "memory_exceeded", answer.Detail);
            Assert.DoesNotContain("::", answer.Detail, StringComparison.Ordinal);
        }

        var small = await InferCall.BinaryAsync(worker, [new TestTensor("s", "INT64", [1], BitConverter.GetBytes(2L))]);
        Assert.Equal(8, small.Outputs["y"].Data.Length);
    }

    [Fact]
    public async Task A_caller_who_leaves_stops_the_run()
    {
        using var folder = new ModelFolder(EndlessLoop());
        await using var worker = await ServeAsync(folder);
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(worker.SocketPath), Cancellation);
            await socket.SendAsync(LoopRequest(long.MaxValue), Cancellation);
        }

        // The only place is taken until the engine has stopped: this answer proves that it did.
        var next = await InferCall.BinaryAsync(worker, [Turns(1)]);

        Assert.True(next.Response.IsSuccessStatusCode, next.Json.ToString());
    }

    [Fact]
    public async Task More_than_twice_the_concurrency_at_once_is_refused()
    {
        using var folder = new ModelFolder(EndlessLoop());
        await using var worker = await ServeAsync(folder);
        var sockets = new List<Socket>();
        try
        {
            for (var i = 0; i < 3; i++)
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                sockets.Add(socket);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(worker.SocketPath), Cancellation);
                await socket.SendAsync(LoopRequest(long.MaxValue), Cancellation);
            }

            // One of them runs and one waits, for ever; whichever came last is answered.
            var answers = sockets.Select(FirstPartAsync).ToArray();
            var answer = await await Task.WhenAny(answers);

            Assert.StartsWith("HTTP/1.1 503", answer, StringComparison.Ordinal);
            Assert.Contains("capacity_exhausted", answer, StringComparison.Ordinal);
            Assert.Equal(2, answers.Count(other => !other.IsCompleted));
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    private static async Task<string> FirstPartAsync(Socket socket)
    {
        var bytes = new byte[2048];
        try
        {
            return Encoding.UTF8.GetString(bytes, 0, await socket.ReceiveAsync(bytes, Cancellation));
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            return fault.Message; // The test is over.
        }
    }

    [Fact]
    public async Task Unknown_addresses_methods_and_pictures_without_a_signature_get_problems()
    {
        using var folder = new ModelFolder(Onnx.Identity(Onnx.Float, 1));
        await using var worker = await ServeAsync(folder);
        using var nothing = new ByteArrayContent([]);

        Assert.Equal(HttpStatusCode.NotFound, (await worker.Client.GetAsync("elsewhere", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await worker.Client.GetAsync("infer", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await worker.Client.PostAsync("", nothing, Cancellation)).StatusCode);
    }

    private static async Task<TestLauncher> ServeAsync(ModelFolder folder, Func<ServeAssignment, ServeAssignment>? change = null)
    {
        var worker = await TestLauncher.StartAsync();
        var message = await folder.ServeAsync(worker, change: change);
        Assert.True(message is WorkerReady, message.ToString());
        return worker;
    }

    private static async Task StillAnswersAsync(TestLauncher worker)
    {
        var answer = await InferCall.JsonAsync(worker, [new TestTensor("x", "FP32", [1], BitConverter.GetBytes(5f))]);
        Assert.Equal(5, answer.Outputs["y"].Value(0));
    }

    private static byte[] Compress(string encoding, byte[] body)
    {
        var packed = new MemoryStream();
        using (Stream stream = encoding == "gzip" ? new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true) : new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            stream.Write(body);
        }

        return packed.ToArray();
    }

    private static TestTensor Turns(long count) => new("turns", "INT64", [], BitConverter.GetBytes(count));

    private static byte[] LoopRequest(long turns)
    {
        var json = $$"""{"inputs":[{"name":"turns","shape":[],"datatype":"INT64","data":[{{turns}}]}]}""";
        return Encoding.ASCII.GetBytes($"POST /infer HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: {json.Length}\r\n\r\n{json}");
    }

    /// <summary>Counts to the number given: with a large one it never ends.</summary>
    private static byte[] EndlessLoop()
    {
        var body = Onnx.Graph(
            Onnx.Node("Identity", ["condition"], ["again"]), Onnx.Node("Add", ["count", "one"], ["next"]),
            Onnx.Initialiser("one", Onnx.Int64, new[] { 1L }, 1),
            Onnx.Input("turn", Onnx.Int64), Onnx.Input("condition", Onnx.Bool), Onnx.Input("count", Onnx.Int64, 1),
            Onnx.Output("again", Onnx.Bool), Onnx.Output("next", Onnx.Int64, 1));
        return Onnx.Model(Onnx.Graph(
            Onnx.Node("Loop", ["turns", "yes", "zero"], ["y"], Onnx.GraphAttribute("body", body)),
            Onnx.Initialiser("yes", Onnx.Bool, new[] { true }), Onnx.Initialiser("zero", Onnx.Int64, new[] { 0L }, 1),
            Onnx.Input("turns", Onnx.Int64), Onnx.Output("y", Onnx.Int64, 1)));
    }
}
