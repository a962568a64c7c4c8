using System.Collections.Immutable;
using System.CommandLine;
using Dormouse.Cli.Apply;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Deploy;

/// <summary><c>dormouse deploy SOURCE</c>.</summary>
internal sealed class DeployCommand
{
    private readonly Argument<string> _source = new("source") { HelpName = "source", Description = "A model file, a folder, a Triton-style model folder (<model>/<version>/model.onnx), an https:// address; Python code: a .py file with what lies beside it, or a folder; or the definition of a pipeline: a .yaml file." };
    private readonly Option<string?> _name = new("--name", "-n") { HelpName = "name", Description = "Name of the endpoint. Default: made of the file's or folder's name; of Python code of the app's, with the function's when it has several." };
    private readonly Option<bool> _noWait = new("--no-wait") { Description = "Do not wait until the model is verified." };
    private readonly Option<bool> _noVerify = new("--no-verify") { Description = "Do not load the model once before it may serve." };
    private readonly SettingsOptions _settings = new();
    private readonly SignatureOptions _signature = new();
    private readonly CanaryOptions _canary = new();
    private readonly HandoverOptions _handover = new();
    private readonly DebutOptions _debut = new();

    public static Command Create(GlobalOptions globals)
    {
        var deploy = new DeployCommand();
        var command = new CliCommand(
            "deploy",
            "Upload a model, Python code, or a pipeline of other endpoints, and make it an endpoint, or the next revision of one. Nothing that the server has is sent again.",
            "dormouse deploy digits.onnx --name digits",
            "dormouse deploy ./mobilenet --name mobilenet --memory 1GiB --idle-timeout 5m",
            "dormouse deploy digits.onnx --picture-size 8x8 --picture-channels grey --labels labels.txt --top-k 3 --softmax",
            "dormouse deploy https://example.org/models/resnet50.onnx --public",
            "dormouse deploy app.py",
            "dormouse deploy app.py --pip numpy==1.26.4 --python 3.11",
            "dormouse deploy app.py --handler app.py::classify --name classify",
            "dormouse deploy app.py --network outbound",
            "dormouse deploy digits-2.onnx --name digits --canary 10 --canary-for 1h",
            "dormouse deploy digits-2.onnx --name digits --keep-old 10m --warm",
            "dormouse deploy digits-2.onnx --name digits --no-traffic --tag next",
            "dormouse deploy orders.yaml --name orders --timeout 5m");
        Arguments.RefuseOptions(deploy._source);
        command.Add(deploy._source);
        command.Add(deploy._name);
        deploy._settings.AddTo(command);
        deploy._signature.AddTo(command);
        deploy._canary.AddTo(command);
        deploy._handover.AddTo(command);
        deploy._debut.AddTo(command);
        command.Add(deploy._noVerify);
        command.Add(deploy._noWait);
        return command.Runs(globals, deploy.RunAsync);
    }

    private async Task RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        var address = parsed.GetRequiredValue(_source);
        var settings = _settings.Read(parsed);
        var debut = _debut.Read(parsed, _canary.Read(parsed), _handover.Read(parsed));
        var (signature, added) = await LocalFile.RunAsync(() => _signature.Read(parsed), cancellationToken);
        if (SettingsCheck.Faults(settings) is { IsEmpty: false } faults)
        {
            throw new CommandException(ExitCodes.Refused, "spec_invalid", string.Join(' ', faults.Select(f => f.Sentence)));
        }

        using var fetched = RemoteSource.IsAddress(address)
            ? await RemoteSource.FetchAsync(session, address, RemoteSource.BytesMax, cancellationToken)
            : null;
        var source = await LocalFile.RunAsync(() => SourceReader.Read(fetched?.File ?? address, settings.Handler is null ? settings.Runtime : RuntimeKind.NameFor(settings.Runtime, settings.Handler)), cancellationToken);
        if (source.Python is not null)
        {
            var wishes = new PythonWishes(parsed.GetValue(_name), settings with { Signature = signature }, debut, !parsed.GetValue(_noVerify), !parsed.GetValue(_noWait));
            await DeployPythonAsync(session, source, wishes, cancellationToken);
            return;
        }

        settings = source.IsPipeline ? settings with { Runtime = RuntimeKind.Pipeline.Name } : settings;
        var name = parsed.GetValue(_name) ?? EndpointNames.From(source.Name);
        if (EndpointName.Refusal(name) is { } refusal)
        {
            throw new CommandException(ExitCodes.Refused, "name_invalid", refusal);
        }

        if (debut.Canary is { } canary && source.Versions.Length > 1)
        {
            throw new CommandException(ExitCodes.Refused, "spec_invalid", $"--canary is {canary.Percent}, but the source has {source.Versions.Length} versions; allowed is one. Deploy the folder of the newest by itself.");
        }

        if (debut.Handover is not null && source.Versions.Length > 1)
        {
            throw new CommandException(ExitCodes.Refused, "spec_invalid", $"--warm is set, but the source has {source.Versions.Length} versions; allowed is one. Deploy the folder of the newest by itself.");
        }

        foreach (var hint in source.Hints)
        {
            session.Screen.Note("note: " + hint);
        }

        if (signature is null && source.Versions is [{ Files: [{ LocalPath: var only }] }] && File.Exists(Path.Combine(Path.GetDirectoryName(only) ?? "", PackageSignature.FileName)))
        {
            session.Screen.Note($"note: {PackageSignature.FileName} lies beside {Path.GetFileName(only)} and is not sent: deploy the folder, or name it with --signature, when it is this model's.");
        }

        var deployer = new Deployer(session);
        var results = ImmutableArray.CreateBuilder<Deployed>();
        foreach (var version in source.Versions)
        {
            var hashed = await deployer.HashAsync(With(version, added), cancellationToken);
            var deployed = await deployer.DeployAsync(
                name, hashed, settings with { Signature = signature }, version == source.Versions[^1] ? debut : debut with { Tag = null }, !parsed.GetValue(_noVerify), !parsed.GetValue(_noWait), cancellationToken);
            results.Add(deployed);
            if (!session.Screen.IsJson)
            {
                session.Screen.Line((version.Version is { } number ? $"version {number}: " : "") + DeployReport.Work(deployed));
            }
        }

        var endpoint = debut.Handover is not null && !parsed.GetValue(_noWait)
            ? await HandoverReport.WaitAsync(session, name, cancellationToken)
            : await session.Client.Endpoints.GetAsync(name, cancellationToken);
        Report(session, endpoint, results.ToImmutable());
    }

    private static async Task DeployPythonAsync(Session session, PackageSource source, PythonWishes wishes, CancellationToken cancellationToken)
    {
        foreach (var hint in source.Hints)
        {
            session.Screen.Note("note: " + hint);
        }

        var deployed = await new PythonDeployer(session).DeployAsync(source, wishes, cancellationToken);
        if (session.Screen.IsJson)
        {
            session.Screen.Json(
                new AppDocument([.. deployed.Select(d => new DeployDocument(d.Endpoint, [d.Deployed.Revision], d.Deployed.SentBytes, d.Deployed.SizeBytes))]), CliJson.Default.AppDocument);
            return;
        }

        session.Screen.Line(DeployReport.Work(deployed[0].Deployed));
        foreach (var function in deployed)
        {
            session.Screen.Line(DeployReport.Live(function.Endpoint, function.Deployed.Revision));
            session.Screen.Line("  " + FunctionText.Of(function.Deployed.Revision));
        }
    }

    private static void Report(Session session, EndpointInfo endpoint, ImmutableArray<Deployed> results)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(
                new DeployDocument(endpoint, [.. results.Select(r => r.Revision)], results.Sum(r => r.SentBytes), results.Sum(r => r.SizeBytes)),
                CliJson.Default.DeployDocument);
            return;
        }

        session.Screen.Line(DeployReport.Live(endpoint, results[^1].Revision));
        if (endpoint.Handover is { State: "waiting" or "warming" or "keeping" } handover)
        {
            session.Screen.Line(Shown.Line(HandoverReport.Sentence(handover, session.Surroundings.Time)));
        }
    }

    private static SourceVersion With(SourceVersion version, ImmutableArray<SourceFile> added) =>
        version with { Files = [.. version.Files.Where(f => added.All(a => a.Path != f.Path)), .. added] };
}
