using System.Text.RegularExpressions;
using Dormouse.Protocol.Inference.Wire;
using Google.Protobuf.Reflection;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>Our interface file has the wire form of the published one, and of the extensions' documented numbers.</summary>
public sealed partial class ProtoFileTests
{
    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment { get; }

    [GeneratedRegex(@"message\s+(?<message>\w+)\s*\{|oneof\s+(?<oneof>\w+)\s*\{|service\s+(?<service>\w+)\s*\{|rpc\s+(?<rpc>\w+)\s*\((?<in>\w+)\)\s*returns\s*\((?<out>\w+)\)\s*\{\s*\}|(?<type>(?:repeated\s+)?(?:map<\s*\w+\s*,\s*\w+\s*>|\w+))\s+(?<field>\w+)\s*=\s*(?<number>\d+)\s*;|(?<end>\})")]
    private static partial Regex Element { get; }

    [Fact]
    public void Messages_fields_numbers_types_and_calls_are_those_of_the_published_file()
    {
        var published = Published();
        var ours = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var message in InferenceReflection.Descriptor.MessageTypes) Describe(message, message.Name, ours);
        foreach (var method in InferenceReflection.Descriptor.Services.Single().Methods.Where(m => !m.IsClientStreaming && !m.Name.StartsWith("Repository", StringComparison.Ordinal)))
            ours.Add($"rpc {method.Name}({method.InputType.Name}) -> {method.OutputType.Name}");

        Assert.Equal("inference", InferenceReflection.Descriptor.Package);
        Assert.Equal("inference.GRPCInferenceService", InferenceReflection.Descriptor.Services.Single().FullName);
        Assert.True(published.Count > 60, $"Only {published.Count} elements were found in the published file.");
        Assert.Empty(published.Except(ours));

        // What we have beyond it belongs to the extensions alone.
        Assert.All(ours.Except(published), line => Assert.Matches("^(ModelStreamInferResponse|ModelRepositoryParameter|Repository)", line));
    }

    [Fact]
    public void The_extensions_have_their_documented_numbers()
    {
        var ours = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var message in InferenceReflection.Descriptor.MessageTypes) Describe(message, message.Name, ours);
        string[] documented =
        [
            "ModelStreamInferResponse: string error_message = 1", "ModelStreamInferResponse: ModelInferResponse infer_response = 2",
            "RepositoryIndexRequest: string repository_name = 1", "RepositoryIndexRequest: bool ready = 2",
            "RepositoryIndexResponse: repeated ModelIndex models = 1",
            "RepositoryIndexResponse.ModelIndex: string name = 1", "RepositoryIndexResponse.ModelIndex: string version = 2",
            "RepositoryIndexResponse.ModelIndex: string state = 3", "RepositoryIndexResponse.ModelIndex: string reason = 4",
            "RepositoryModelLoadRequest: string repository_name = 1", "RepositoryModelLoadRequest: string model_name = 2",
            "RepositoryModelLoadRequest: map<string,ModelRepositoryParameter> parameters = 3",
            "RepositoryModelUnloadRequest: string repository_name = 1", "RepositoryModelUnloadRequest: string model_name = 2",
            "RepositoryModelUnloadRequest: map<string,ModelRepositoryParameter> parameters = 3",
            "ModelRepositoryParameter: oneof parameter_choice bool bool_param = 1", "ModelRepositoryParameter: oneof parameter_choice int64 int64_param = 2",
            "ModelRepositoryParameter: oneof parameter_choice string string_param = 3", "ModelRepositoryParameter: oneof parameter_choice bytes bytes_param = 4",
        ];

        Assert.Equal(documented.Order(StringComparer.Ordinal), ours.Where(l => l.StartsWith("ModelStream", StringComparison.Ordinal) || l.Contains("Repository", StringComparison.Ordinal)));
        var stream = InferenceReflection.Descriptor.Services.Single().FindMethodByName("ModelStreamInfer");
        Assert.True(stream.IsClientStreaming && stream.IsServerStreaming);
    }

    /// <summary>One line for each field and call of the published file.</summary>
    private static SortedSet<string> Published()
    {
        var text = Comment.Replace(File.ReadAllText(SharedData("conformance/open-inference-protocol/open_inference_grpc.proto")), "");
        var lines = new SortedSet<string>(StringComparer.Ordinal);
        var scopes = new Stack<(string Path, string Prefix)>();
        scopes.Push(("", ""));
        foreach (Match match in Element.Matches(text))
        {
            var (path, prefix) = scopes.Peek();
            if (match.Groups["message"] is { Success: true } message) scopes.Push((path.Length == 0 ? message.Value : $"{path}.{message.Value}", ""));
            else if (match.Groups["oneof"] is { Success: true } oneof) scopes.Push((path, $"oneof {oneof.Value} "));
            else if (match.Groups["service"].Success) scopes.Push(("", ""));
            else if (match.Groups["rpc"] is { Success: true } rpc) lines.Add($"rpc {rpc.Value}({match.Groups["in"].Value}) -> {match.Groups["out"].Value}");
            else if (match.Groups["end"].Success) scopes.Pop();
            else if (path.Length > 0) lines.Add($"{path}: {prefix}{match.Groups["type"].Value.Replace(", ", ",", StringComparison.Ordinal)} {match.Groups["field"].Value} = {match.Groups["number"].Value}");
        }

        Assert.Single(scopes);
        return lines;
    }

    private static void Describe(MessageDescriptor message, string path, SortedSet<string> lines)
    {
        foreach (var field in message.Fields.InDeclarationOrder())
        {
            var oneof = field.ContainingOneof is { } choice ? $"oneof {choice.Name} " : "";
            lines.Add($"{path}: {oneof}{TypeOf(field)} {field.Name} = {field.FieldNumber}");
        }

        foreach (var nested in message.NestedTypes.Where(n => !n.GetOptions()?.MapEntry ?? true)) Describe(nested, $"{path}.{nested.Name}", lines);
    }

    private static string TypeOf(FieldDescriptor field)
    {
        if (field.IsMap) return $"map<{TypeOf(field.MessageType.FindFieldByNumber(1))},{TypeOf(field.MessageType.FindFieldByNumber(2))}>";
        var type = field.FieldType == FieldType.Message ? field.MessageType.Name : field.FieldType.ToString().ToLowerInvariant();
        return field.IsRepeated ? $"repeated {type}" : type;
    }

    private static string SharedData(string relative)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx"))) folder = folder.Parent;
        var path = Path.GetFullPath(Path.Combine(folder?.FullName ?? AppContext.BaseDirectory, "..", "shared", "data", relative));
        if (!File.Exists(path)) Assert.Skip($"../shared/data/{relative} is absent: the published interface file cannot be compared.");
        return path;
    }
}
