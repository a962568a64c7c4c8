using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Protocol.Launching;

namespace Dormouse.Protocol.Tests.Launching;

/// <summary>The Python runner is written by hand against docs/spec/worker-protocol.md: these are its words.</summary>
public sealed class PythonMessagesTests
{
    [Fact]
    public void Assignments_have_the_members_that_the_runner_reads_also_those_that_are_null()
    {
        WorkerAssignment serve = new ServePythonAssignment
        {
            FolderDescriptor = 0,
            Module = "app.py",
            Concurrency = 2,
            MemoryMib = 256,
            Environment = ImmutableSortedDictionary<string, string>.Empty.Add("A", "1"),
        };
        Assert.True(JsonNode.DeepEquals(
            JsonNode.Parse("""{"type":"serve_python","folder_descriptor":0,"module":"app.py","function":null,"concurrency":2,"memory_mib":256,"environment":{"A":"1"}}"""), Node(serve)));
        WorkerAssignment inspect = new InspectPythonAssignment { FolderDescriptor = 0 };
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"type":"inspect_python","folder_descriptor":0,"module":null,"environment":{}}"""), Node(inspect)));
    }

    [Fact]
    public void What_the_runner_says_passes_through_the_launcher_unchanged()
    {
        const string Ready = """{"type":"python_ready","load_microseconds":1500,"schema":{"input":{"type":"object","properties":{"n":{"type":"integer"}}},"output":null}}""";
        var ready = Assert.IsType<PythonReady>(Message(Ready));
        Assert.Equal("integer", ready.Schema?.Input?.GetProperty("properties").GetProperty("n").GetProperty("type").GetString());
        Assert.Null(ready.Schema?.Output);

        const string Inspected = """
            {"type":"python_inspected","module":"app.py","app":"shop","load_microseconds":7,
             "functions":[{"name":"f","kind":"function","settings":{"memory":"1GiB","pip":["numpy"]},"schema":{"input":{},"output":null},"stream":true,"doc":"Does."}]}
            """;
        var inspected = Assert.IsType<PythonInspected>(Message(JsonSerializer.Serialize(Message(Inspected), WorkerJson.Default.WorkerMessage)));
        var function = Assert.Single(inspected.Functions);
        Assert.Equal(("app.py", "shop", "f", "function", true, "Does."), (inspected.Module, inspected.App, function.Name, function.Kind, function.Stream, function.Doc));
        Assert.Equal("numpy", function.Settings?.GetProperty("pip")[0].GetString());
    }

    [Fact]
    public void Reading_and_building_have_words_of_their_own()
    {
        WorkerAssignment scan = new ScanPythonAssignment { FolderDescriptor = 0 };
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"type":"scan_python","folder_descriptor":0,"module":null}"""), Node(scan)));
        WorkerAssignment build = new BuildEnvironmentAssignment { FolderDescriptor = 0, Target = "/e/1", SystemPackages = true, Builder = "pip", Uv = "uv", Arguments = ["--no-index"] };
        Assert.True(JsonNode.DeepEquals(
            JsonNode.Parse("""{"type":"build_environment","folder_descriptor":0,"target":"/e/1","system_packages":true,"builder":"pip","uv":"uv","arguments":["--no-index"]}"""), Node(build)));

        var scanned = Assert.IsType<PythonScanned>(Message("""{"type":"python_scanned","module":"app.py","functions":[{"name":"f","settings":{"pip":["six"]}}]}"""));
        Assert.Equal("six", Assert.Single(scanned.Functions).Settings.GetProperty("pip")[0].GetString());
        var built = Assert.IsType<EnvironmentBuilt>(Message("""{"type":"environment_built","python":"3.11.7","builder":"pip 23.2","packages":["six==1.0"],"size_bytes":5,"load_microseconds":7}"""));
        Assert.Equal(("3.11.7", "pip 23.2", 5L), (built.Python, built.Builder, built.SizeBytes));
    }

    private static JsonNode? Node(WorkerAssignment assignment) => JsonNode.Parse(JsonSerializer.Serialize(assignment, WorkerJson.Default.WorkerAssignment));

    private static WorkerMessage? Message(string json) => JsonSerializer.Deserialize(json, WorkerJson.Default.WorkerMessage);
}
