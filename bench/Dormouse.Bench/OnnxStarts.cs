using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dormouse.Bench;

/// <summary>
/// How long the first answer of a Python function from zero takes whose ONNX Runtime session was made before the fork, beside a pooled process and a plain interpreter that make it anew. Everything but the client
/// runs in the Debian 13 root that <c>tests/debian13</c> makes: Debian 12 has no ONNX Runtime for Python.
/// </summary>
internal static class OnnxStarts
{
    private const string Folder = "artifacts/debian13";
    private const double ForkMax = 20;

    /// <summary>One thread: others would not be there in a fork.</summary>
    private const string Code = """
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
        kinds = {"tensor(float)": numpy.float32, "tensor(uint8)": numpy.uint8}
        feed = {each.name: numpy.ones([size if isinstance(size, int) else 1 for size in each.shape], kinds[each.type]) for each in session.get_inputs()}

        def handler(input):
            return float(session.run(None, feed)[0].ravel()[0])

        """;

    /// <summary>Starts interpreters one after the other and prints how many milliseconds each needs to its first line.</summary>
    private const string Starter = """
        import subprocess, sys, time

        for _ in range(int(sys.argv[1])):
            began = time.perf_counter()
            with subprocess.Popen([sys.executable, "plain.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as started:
                if not started.stdout.readline():
                    sys.exit("it printed nothing")
                print((time.perf_counter() - began) * 1000, flush=True)
        """;

    public static async Task RunAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists(Path.Combine(root, Folder, "usr/lib/python3/dist-packages/onnxruntime/__init__.py")))
        {
            report.Note($"There is no {Folder} with ONNX Runtime, which tests/debian13 makes, or this is not root: Python functions with a session are not measured.");
            return;
        }

        foreach (var subject in subjects)
        {
            var name = $"ONNX Runtime session, {subject.Name}";
            var plain = await PlainAsync(root, subject);
            Add(report, "plain interpreter", name, plain);
            var pool = await StartsAsync(root, subject, "0B", "pool");
            Add(report, "pooled process", name, pool.Times);
            report.Add("python instance, private memory, pooled", name, pool.MemoryMib, "MiB");
            var fork = await StartsAsync(root, subject, "2GiB", "fork");
            // The target is of a model that runs at once: a larger one's first answer is mostly its run.
            Add(report, "fork of a template", name, fork.Times, subject.Name == "digits" ? ForkMax : null);
            foreach (var (part, times) in fork.Parts)
            {
                report.Add($"python start, fork of a template, of that {part}, p50", name, times.P50, "ms");
            }

            report.Add("python start, fork to plain interpreter", name, fork.Times.P50 / plain.P50, "x");
            report.Add("python instance, private memory, fork", name, fork.MemoryMib, "MiB");
        }
    }

    private static void Add(Report report, string rung, string name, Samples times, double? most = null)
    {
        report.Add($"python start, {rung}, p50", name, times.P50, "ms", most is null ? "" : $"<= {most}", most is null ? null : times.P50 <= most);
        report.Add($"python start, {rung}, p95", name, times.P95, "ms");
        report.Add($"python start, {rung}, p99", name, times.P99, "ms");
    }

    private static async Task<Samples> PlainAsync(string root, Subject subject)
    {
        var folder = Fresh.Folder();
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "plain.py"), Code + "print(handler(1), flush=True)\n");
            await File.WriteAllTextAsync(Path.Combine(folder, "starter.py"), Starter);
            File.Copy(subject.Path, Path.Combine(folder, "model.onnx"));
            // Once before, so that everything is in memory.
            var runs = Rounds.Of(PythonStarts.Runs) + 1;
            var start = new ProcessStartInfo(Within(root), ["sh", "-c", $"cd {folder} && exec python3 starter.py {runs}"]) { RedirectStandardOutput = true };
            using var process = Process.Start(start) ?? throw new InvalidOperationException("The plain interpreter did not start.");
            var printed = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            var times = printed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => double.Parse(line, CultureInfo.InvariantCulture)).ToArray();
            return times.Length == runs ? new Samples(times[1..]) : throw new InvalidOperationException($"Only {times.Length} of {runs} plain interpreters answered.");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<PythonStarts.Measured> StartsAsync(string root, Subject subject, string templates, string rung)
    {
        var settings = new Dictionary<string, string>
        {
            ["DORMOUSE_WORKERS__PYTHON"] = PythonStarts.Interpreter,
            ["DORMOUSE_WORKERS__TEMPLATES_MEMORY"] = templates,
            ["DORMOUSE_WORKERS__SNAPSHOTS_DISK"] = "0B",
        };
        await using var product = await Product.StartAsync(root, Fresh.Folder(), environment: settings, within: Within(root));
        (string, byte[])[] files = [("app.py", System.Text.Encoding.UTF8.GetBytes(Code)), ("model.onnx", await File.ReadAllBytesAsync(subject.Path))];
        await product.DeployAsync("function", files, settings: new JsonObject { ["runtime"] = "python", ["handler"] = "app.py::handler" });
        return await PythonStarts.MeasureAsync(product, rung);
    }

    private static string Within(string root) => Path.Combine(root, "tests/within-debian13");
}
