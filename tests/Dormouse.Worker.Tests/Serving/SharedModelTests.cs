using System.Net;
using Dormouse.Protocol.Launching;
using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>The real models beside the checkout, each with all its cases, as JSON and as binary tensors, on the optimised file.</summary>
public sealed class SharedModelTests
{
    private const string Absent = "absent";

    public static TheoryData<string> Models()
    {
        var models = new TheoryData<string>();
        var root = Root();
        if (root is null)
        {
            models.Add(Absent);
            return models;
        }

        foreach (var folder in Directory.EnumerateDirectories(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (Cases(folder).Any())
            {
                models.Add(Path.GetRelativePath(root, folder));
            }
        }

        return models;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Every_case_of_a_model_is_answered_right(string name)
    {
        Assert.SkipWhen(name == Absent, "../shared/data/onnx is absent.");
        foreach (var group in Cases(Path.Combine(Root()!, name)).GroupBy(path => new CaseFile(path).Model))
        {
            using var folder = new ModelFolder(await File.ReadAllBytesAsync(Path.Combine(Root()!, name, group.Key), TestContext.Current.CancellationToken));
            var inspected = Assert.IsType<WorkerInspected>(await folder.InspectAsync());
            Assert.True(inspected.Optimised, inspected.Note);
            await using var worker = await TestLauncher.StartAsync();
            var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker, optimised: true));
            Assert.True(ready.UsedOptimised);
            foreach (var path in group)
            {
                await AnswerAsync(worker, new CaseFile(path), Path.GetFileName(path));
            }
        }
    }

    [Fact]
    public async Task A_random_forests_maps_become_a_table_with_its_keys()
    {
        Assert.SkipWhen(Root() is null, "../shared/data/onnx is absent.");
        var name = Path.Combine(Root()!, "sklearn-randomforest");
        using var folder = new ModelFolder(await File.ReadAllBytesAsync(Path.Combine(name, "model.onnx"), TestContext.Current.CancellationToken));
        await using var worker = await TestLauncher.StartAsync();
        var ready = Assert.IsType<WorkerReady>(await folder.ServeAsync(worker));

        Assert.Equal(["output_label INT64", "output_probability FP32", "output_probability_keys INT64"], ready.Interface.Outputs.Select(o => $"{o.Name} {o.Datatype}"));
        var answer = await InferCall.JsonAsync(worker, new CaseFile(Path.Combine(name, "case_0.json")).Inputs());
        var table = answer.Outputs["output_probability"];
        Assert.Equal([6, 3], table.Shape);
        Assert.Equal(0.12999998, table.Value(1), 1e-4);
        Assert.Equal(0.86999947, table.Value(2), 1e-4);
        Assert.Equal(0.99999934, table.Value(16), 1e-4);
        Assert.Equal([0.0, 1, 2], Enumerable.Range(0, 3).Select(answer.Outputs["output_probability_keys"].Value));
    }

    private static async Task AnswerAsync(TestLauncher worker, CaseFile file, string where)
    {
        var inputs = file.Inputs();
        var json = await InferCall.JsonAsync(worker, inputs);
        var binary = await InferCall.BinaryAsync(worker, inputs);
        if (file.ExpectedError is not null)
        {
            Assert.Equal(HttpStatusCode.BadRequest, json.Response.StatusCode);
            Assert.Equal("input_invalid", json.Code);
            Assert.Equal("input_invalid", binary.Code);
            return;
        }

        Assert.True(json.Response.IsSuccessStatusCode, $"{where}: {json.Json}");
        Assert.True(binary.Response.IsSuccessStatusCode, $"{where}: {binary.Json}");
        if (file.HasOutputs)
        {
            file.Check(json.Outputs, where + " JSON");
            file.Check(binary.Outputs, where + " binary");
        }
    }

    private static IEnumerable<string> Cases(string folder) => Directory.EnumerateFiles(folder, "case*.json").Order(StringComparer.Ordinal);

    private static string? Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx")))
            {
                var root = Path.GetFullPath(Path.Combine(folder.FullName, "..", "shared", "data", "onnx"));
                return Directory.Exists(root) ? root : null;
            }
        }

        return null;
    }
}
