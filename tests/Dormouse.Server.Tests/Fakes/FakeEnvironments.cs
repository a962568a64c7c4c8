using System.Collections.Immutable;
using Dormouse.Core.Environments;

namespace Dormouse.Server.Tests.Fakes;

/// <summary>Builds environments that hold an empty file where the interpreter would be. One that asks for "bad" fails; builds wait while they are held.</summary>
internal sealed class FakeEnvironments : IEnvironmentBuilder
{
    private TaskCompletionSource _gate = new();
    private int _builds;

    public FakeEnvironments() => _gate.SetResult();

    public int Builds => Volatile.Read(ref _builds);

    /// <summary>What was last said to be kept ready.</summary>
    public ImmutableHashSet<EnvironmentId> Ready { get; private set; } = [];

    /// <summary>Builds wait from now on until <see cref="Release"/>.</summary>
    public void Hold() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release() => _gate.TrySetResult();

    public Task<InterpreterAnswer> FindAsync(string? python, CancellationToken cancellationToken) => Task.FromResult<InterpreterAnswer>(python is null or "3.11"
        ? new InterpreterAnswer.Found("/usr/bin/python3.11", "3.11")
        : new InterpreterAnswer.Missing($"python is '{python}', which this machine does not have; it has 3.11."));

    public ImmutableSortedDictionary<string, string> Others() => ImmutableSortedDictionary<string, string>.Empty.Add("3.11", "/usr/bin/python3.11");

    public async Task<BuildOutcome> BuildAsync(EnvironmentBuild build, Action<string> line, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _builds);
        line("Collecting");
        await _gate.Task.WaitAsync(cancellationToken);
        var wanted = await File.ReadAllLinesAsync(Path.Combine(build.Folder, "requirements.txt"), cancellationToken);
        if (wanted.Contains("bad"))
        {
            line("ERROR: No matching distribution found for bad");
            return new BuildOutcome.Failed("pip install ended with exit code 1.", IsFault: false);
        }

        var bin = Directory.CreateDirectory(Path.Combine(build.Folder, "venv", "bin"));
        await File.WriteAllTextAsync(Path.Combine(bin.FullName, "python"), "", cancellationToken);
        return new BuildOutcome.Built("3.11.7", "pip 23.2", [.. wanted], 4096);
    }

    public void KeepReady(ImmutableHashSet<EnvironmentId> environments) => Ready = environments;
}
