using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Bench;

/// <summary>How small: memory of workers, sessions and the server, and how fast the server starts.</summary>
internal static class Footprint
{
    private const int Many = 10_000;
    private const int Sessions = 50;

    public static async Task WorkersAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        foreach (var subject in subjects)
        {
            await using var product = await Product.StartAsync(root, Fresh.Folder());
            await product.DeployAsync(subject.Name, subject.Path);
            await Task.Delay(3000);
            var pooled = new Samples(product.Workers().Select(w => Proc.Memory(w, "Private_Clean", "Private_Dirty"))).P50;
            for (var i = 0; i < 20; i++)
            {
                await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer(subject.Name), product.Key));
            }

            await Task.Delay(4000);
            var endpoint = await product.ApiAsync(HttpMethod.Get, $"/api/v1/endpoints/{subject.Name}");
            var serving = product.Workers().Max(w => Proc.Memory(w, "Private_Dirty"));
            var idle = product.Workers().Min(w => Proc.Memory(w, "Private_Dirty"));
            report.Add("worker, private memory in the pool", subject.Name, pooled, "MB", "<= 45", pooled <= 45);
            report.Add("worker, serving and idle, above the pool's", subject.Name, serving - idle, "MB", subject.Name == "mobilenet" ? "<= 3" : "", subject.Name == "mobilenet" ? serving - idle <= 3 : null);
            report.Add("instance memory as the API shows it", subject.Name, (endpoint?["instances"]?[0]?["memory_bytes"]?.GetValue<double>() ?? 0) / (1 << 20), "MB");
        }
    }

    /// <summary>Fifty sessions of one model in this process, by the worker's recipe.</summary>
    public static void SessionsAlone(Report report, IReadOnlyList<Subject> subjects)
    {
        foreach (var subject in subjects)
        {
            var optimised = Path.Combine(Fresh.Folder(), "model.ort");
            using (var options = Options(GraphOptimizationLevel.ORT_ENABLE_ALL))
            {
                options.OptimizedModelFilePath = optimised;
                options.AddSessionConfigEntry("session.save_model_format", "ORT");
                using var made = new InferenceSession(subject.Path, options);
            }

            using var first = Session(optimised);
            Native.Trim();
            var before = Proc.Memory(Environment.ProcessId, "Anonymous");
            var sessions = Enumerable.Range(0, Sessions).Select(_ => Session(optimised)).ToArray();
            Native.Trim();
            var each = (Proc.Memory(Environment.ProcessId, "Anonymous") - before) / Sessions;
            Array.ForEach(sessions, s => s.Dispose());
            double? target = subject.Name switch { "mobilenet" => 2, "mnist" => 0.3, _ => null };
            report.Add("session alone, private memory", subject.Name, each, "MB", target is null ? "" : $"<= {target}", target is null ? null : each <= target);
        }
    }

    public static async Task CreepAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var subject = subjects[0];
        await using var product = await Product.StartAsync(root, Fresh.Folder());
        async Task RoundAsync()
        {
            await product.DeployAsync("creep", subject.Path);
            await Load.SendAsync(product.Client, subject.BinaryRequest(product.Infer("creep"), product.Key));
            await product.ApiAsync(HttpMethod.Post, "/api/v1/endpoints/creep/stop");
            await product.ApiAsync(HttpMethod.Delete, "/api/v1/endpoints/creep");
        }

        // The first rounds compile what is hot; that ends, and is no creep.
        for (var i = 0; i < 150; i++)
        {
            await RoundAsync();
        }

        await Task.Delay(3000);
        var before = product.Server.PrivateMb;
        for (var i = 0; i < 50; i++)
        {
            await RoundAsync();
        }

        await Task.Delay(3000);
        var creep = product.Server.PrivateMb - before;
        report.Add("server, creep over 50 rounds", "deploy, call, zero, delete", creep, "MB", "<= 2", creep <= 2);
    }

    public static async Task ServerAsync(Report report, string root, IReadOnlyList<Subject> subjects)
    {
        var data = Fresh.Folder();
        var starts = new List<double>();
        for (var i = 0; i < 6; i++)
        {
            var product = await Product.StartAsync(root, data);
            if (i > 0)
            {
                starts.Add(product.ListeningMs);
            }

            await product.StopAsync();
        }

        report.Add("server, start to listening", "0 endpoints", new Samples(starts).P50, "ms", "<= 500", new Samples(starts).P50 <= 500);
        var resident = await RestingAsync(root, data);
        report.Add("server, resident at rest", "0 endpoints", resident, "MB", "<= 90", resident <= 90);

        await Registered.FillAsync(root, data, subjects[0], Many);
        starts.Clear();
        for (var i = 0; i < 5; i++)
        {
            var product = await Product.StartAsync(root, data);
            starts.Add(product.ListeningMs);
            await product.StopAsync();
        }

        report.Add("server, start to listening", $"{Many:N0} endpoints", new Samples(starts).P50, "ms", "<= 1000", new Samples(starts).P50 <= 1000);
        var each = (await RestingAsync(root, data) - resident) * 1024 / Many;
        report.Add("server, resident per idle endpoint", $"{Many:N0} endpoints", each, "KB", "<= 4", each <= 4);
        Directory.Delete(data, recursive: true);
    }

    private static async Task<double> RestingAsync(string root, string data)
    {
        var product = await Product.StartAsync(root, data);
        await Task.Delay(5000);
        var resident = product.Server.ResidentMb;
        await product.StopAsync();
        return resident;
    }

    private static InferenceSession Session(string path)
    {
        using var options = Options(GraphOptimizationLevel.ORT_DISABLE_ALL);
        options.AddSessionConfigEntry("session.use_memory_mapped_ort_model", "1");
        options.AddSessionConfigEntry("session.use_ort_model_bytes_for_initializers", "1");
        return new InferenceSession(path, options);
    }

    private static SessionOptions Options(GraphOptimizationLevel level)
    {
        var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1, GraphOptimizationLevel = level, EnableCpuMemArena = false };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        return options;
    }
}
