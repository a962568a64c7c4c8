using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;

namespace Dormouse.Drivers.Templates;

/// <summary>Finds out whether Python instances can be forks of a template on this machine, by making one and a fork of it.</summary>
/// <param name="post">Runs work in the driver's inbox; false: it is closed.</param>
internal sealed class TemplateTrial(ProcessDriverOptions options, IInstanceHost host, Func<Action, bool> post)
{
    private const string Name = "templates";
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(30);

    private readonly TaskCompletionSource<string?> _problem = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RevisionTemplate? _template;

    public async Task<ProbeResult> RunAsync(CancellationToken cancellationToken)
    {
        if (options.TemplatesMemoryBytes <= 0)
            return Failed("workers.templates_memory is 0.");
        using var deadline = new CancellationTokenSource(TimeMax, host.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var package = await TrialPackage.MakeAsync(options.RunFolder, linked.Token);
            try
            {
                if (!post(() => Begin(package.Start(isolation: null))))
                    return Failed("The server is stopping.");
                return await _problem.Task.WaitAsync(linked.Token) is { } problem
                    ? Failed(problem)
                    : new(Name, Works: true, "Python instances can be forks of a process that has loaded their code");
            }
            finally
            {
                post(() => _template?.End(TemplateState.Ended, ""));
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Failed($"A trial was not over within {TimeMax.TotalSeconds} s.");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return Failed(fault.Message);
        }
    }

    private static ProbeResult Failed(string why) => new(Name, Works: false, $"Python instances are started one by one: {why}");

    private void Begin(InstanceStart start)
    {
        _template = new(start, snapshot: null, sparesWanted: 1, host, work => post(work), Changed, Grown);
        _template.Begin();

        void Changed(RevisionTemplate template)
        {
            if (template.State != TemplateState.Ready)
                _problem.TrySetResult(template.Reason.Length > 0 ? template.Reason : "A template could not be made.");
        }

        void Grown(RevisionTemplate template)
        {
            if (template.Report.Spares > 0)
                _problem.TrySetResult(null);
        }
    }
}
