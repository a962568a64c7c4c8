using System.Collections.Immutable;
using Dormouse.Core.Environments;
using Dormouse.Core.Packages;
using Dormouse.Drivers.Inspecting;
using Dormouse.Drivers.Launching;
using Dormouse.Drivers.Pool;

namespace Dormouse.Drivers.Python;

/// <summary>Builds environments in workers of this machine, a bounded number at once, apart from inspections: a build takes minutes.</summary>
internal sealed class EnvironmentBuilder(ProcessDriverOptions options, Interpreters interpreters, Inspector builds, WorkerPools pools, Inbox inbox) : IEnvironmentBuilder
{
    public async Task<InterpreterAnswer> FindAsync(string? python, CancellationToken cancellationToken) =>
        await interpreters.FindAsync(new PythonPlace(python, null), cancellationToken) switch
        {
            PythonInterpreter.Found found => new InterpreterAnswer.Found(found.Path, Interpreters.MinorOf(found.Version)),
            PythonInterpreter.Missing missing => new InterpreterAnswer.Missing(missing.Reason),
            _ => throw new InvalidOperationException("An interpreter is found or missing."),
        };

    public ImmutableSortedDictionary<string, string> Others() => Interpreters.Named();

    public async Task<BuildOutcome> BuildAsync(EnvironmentBuild build, Action<string> line, CancellationToken cancellationToken)
    {
        if (await interpreters.FindAsync(new PythonPlace(build.Python, null), cancellationToken) is not PythonInterpreter.Found found)
            return new BuildOutcome.Failed($"There is no Python {build.Python} here any more.", IsFault: true);
        // Workers that wait in a sandbox see the folder that was there when they were started, and what is built now is another one.
        inbox.Post(() => pools.GiveUp(build.Folder));
        var examination = new BuildExamination(build, options.Builds, line);
        return await builds.RunAsync(examination, PythonKinds.Builder(options, found.Path, build.Folder), cancellationToken) switch
        {
            Inspection.Accepted when examination.Built is { } built => new BuildOutcome.Built(built.Python, built.Builder, built.Packages.IsDefault ? [] : built.Packages, built.SizeBytes),
            Inspection.Refused refused => new BuildOutcome.Failed(refused.Reason, IsFault: false),
            Inspection.Unavailable unavailable => new BuildOutcome.Failed(unavailable.Reason, IsFault: true),
            _ => throw new InvalidOperationException("A build succeeds, is refused or unavailable."),
        };
    }

    public void KeepReady(ImmutableHashSet<EnvironmentId> environments) => inbox.Post(() => pools.KeepReady(environments));
}
