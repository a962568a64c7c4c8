using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace Dormouse.Architecture.Tests;

/// <summary>Which project may see which (docs/architecture.md). Each forbidden arrow has its reason.</summary>
public sealed class ArrowTests
{
    public static TheoryData<string, string[], string> Allowed => new()
    {
        { "Dormouse.Protocol", [], "both ends of every wire share it, the worker included: it must stay small and free of the rest" },
        { "Dormouse.Core", [], "decisions run inside the simulator and on any store: nothing but the base library" },
        { "Dormouse.Storage", ["Dormouse.Core"], "a store knows the nouns, not the wire: the server translates" },
        { "Dormouse.Brokers", ["Dormouse.Core", "Dormouse.Buckets"], "clients of brokers: loaded when a trigger needs one, and by nobody else" },
        { "Dormouse.Buckets", ["Dormouse.Core"], "the client of S3: loaded when files lie in a bucket, and by nobody else" },
        { "Dormouse.Drivers", ["Dormouse.Core", "Dormouse.Protocol"], "a driver starts instances; it must not see who calls it" },
        { "Dormouse.Launcher", ["Dormouse.Protocol"], "it runs with the most rights, so it holds the least code" },
        { "Dormouse.Worker", ["Dormouse.Protocol"], "it runs users' models: no platform code beside them" },
        { "Dormouse.Client", ["Dormouse.Protocol"], "it is published for others' programs" },
        { "Dormouse.Server", ["Dormouse.Core", "Dormouse.Protocol", "Dormouse.Storage", "Dormouse.Drivers", "Dormouse.Brokers", "Dormouse.Buckets"], "the server must not see the command line or the client" },
        { "Dormouse.Simulation", ["Dormouse.Core"], "it runs the decisions on virtual time: no server, no store, no clock" },
        { "Dormouse.Cli", ["Dormouse.Client", "Dormouse.Server", "Dormouse.Simulation", "Dormouse.Protocol", "Dormouse.Core"], "the command line talks to servers through the client" },
    };

    [Theory]
    [MemberData(nameof(Allowed))]
    public void A_project_sees_only_what_it_may(string project, string[] allowed, string reason)
    {
        var file = Path.Combine(Checkout.Root, "src", project, project + ".csproj");
        var declared = XDocument.Load(file).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')));
        var used = Load(project).GetReferencedAssemblies().Select(a => a.Name!)
            .Where(n => n.StartsWith("Dormouse.", StringComparison.Ordinal));

        var forbidden = declared.Concat(used).Distinct().Except(allowed, StringComparer.Ordinal).ToArray();

        Assert.True(forbidden.Length == 0, $"{project} must not see {string.Join(", ", forbidden)}: {reason}.");
    }

    [Theory]
    [InlineData("Dormouse.Core", "Microsoft.AspNetCore", "it runs inside the simulator")]
    [InlineData("Dormouse.Core", "Microsoft.Extensions", "options, logging and containers stop at the adapters")]
    [InlineData("Dormouse.Core", "Microsoft.Data", "storage is an adapter")]
    [InlineData("Dormouse.Core", "System.Net", "it has no I/O")]
    [InlineData("Dormouse.Core", "System.Diagnostics.Process", "it has no I/O")]
    [InlineData("Dormouse.Storage", "Microsoft.AspNetCore", "a store serves every host")]
    [InlineData("Dormouse.Server", "Microsoft.ML.OnnxRuntime", "a model never runs in the server's process")]
    [InlineData("Dormouse.Server", "SkiaSharp", "untrusted pictures are decoded in workers only")]
    [InlineData("Dormouse.Server", "StackExchange.Redis", "clients of brokers are loaded with Dormouse.Brokers, when a trigger needs one")]
    [InlineData("Dormouse.Server", "AWSSDK", "the client of S3 is loaded with Dormouse.Buckets, when files lie in a bucket")]
    [InlineData("Dormouse.Server", "NATS", "clients of brokers are loaded with Dormouse.Brokers, when a trigger needs one")]
    [InlineData("Dormouse.Server", "RabbitMQ", "clients of brokers are loaded with Dormouse.Brokers, when a trigger needs one")]
    [InlineData("Dormouse.Brokers", "Microsoft.AspNetCore", "a source serves every host")]
    [InlineData("Dormouse.Drivers", "Microsoft.ML.OnnxRuntime", "a model never runs in the server's process")]
    [InlineData("Dormouse.Launcher", "Microsoft.AspNetCore", "it stays small")]
    [InlineData("Dormouse.Client", "Microsoft.AspNetCore", "a client must not need a server's framework")]
    public void A_project_does_not_use_a_library(string project, string library, string reason)
    {
        var used = Load(project).GetReferencedAssemblies().Select(a => a.Name!)
            .Where(n => n.StartsWith(library, StringComparison.Ordinal)).ToArray();

        Assert.True(used.Length == 0, $"{project} must not use {string.Join(", ", used)}: {reason}.");
    }

    [Fact]
    public void Core_has_no_async_code()
    {
        var asynchronous = Load("Dormouse.Core").GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(m => m.GetCustomAttribute<AsyncStateMachineAttribute>() is not null || m.GetCustomAttribute<AsyncIteratorStateMachineAttribute>() is not null)
            .Select(m => $"{m.DeclaringType?.Name}.{m.Name}");

        Assert.Empty(asynchronous);
    }

    [Fact]
    public void Every_project_of_the_solution_has_a_rule()
    {
        var projects = Directory.GetDirectories(Path.Combine(Checkout.Root, "src")).Select(d => Path.GetFileName(d)!).Order();

        Assert.Equal(projects, Allowed.Select(row => row.Data.Item1).Order());
    }

    private static Assembly Load(string project) => project switch
    {
        "Dormouse.Cli" => Assembly.Load("dormouse"),
        "Dormouse.Launcher" => Assembly.Load("dormouse-launcher"),
        "Dormouse.Worker" => Assembly.Load("dormouse-worker"),
        _ => Assembly.Load(project),
    };
}
