using Dormouse.Core.Endpoints;
using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;

namespace Dormouse.Drivers.Templates;

/// <summary>A template of the smallest code there is, which is made to find out what this machine can do with one, and ended.</summary>
/// <param name="post">Runs work in the driver's inbox; false: it is closed.</param>
internal sealed class TrialTemplate(ProcessDriverOptions options, IInstanceHost host, Func<Action, bool> post)
{
    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(1);

    private readonly TaskCompletionSource<string?> _problem = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RevisionTemplate? _template;

    /// <summary>Makes it and waits until something is <see cref="Found"/>. Returns null when it works, else why not, a sentence.</summary>
    /// <param name="isolation">Null = as instances are whose revision says nothing.</param>
    /// <param name="ready">It can be forked now; in the inbox.</param>
    /// <param name="grown">What it and its spare forks take is another now; in the inbox.</param>
    public async Task<string?> RunAsync(
        IsolationLevel? isolation, int sparesWanted, Action<RevisionTemplate, TrialPackage> ready, Action<RevisionTemplate> grown, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(TimeMax, host.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var package = await TrialPackage.MakeAsync(options.RunFolder, linked.Token);
            try
            {
                return post(Begin) ? await _problem.Task.WaitAsync(linked.Token) : "The server is stopping.";
            }
            finally
            {
                post(() => _template?.End(TemplateState.Ended, ""));
            }

            void Begin()
            {
                _template = new(package.Start(isolation), snapshot: null, sparesWanted, host, work => post(work), Changed, grown);
                _template.Begin();
            }

            void Changed(RevisionTemplate template)
            {
                if (template.State == TemplateState.Ready)
                    ready(template, package);
                else
                    Found(template.Reason.Length > 0 ? template.Reason : "A template could not be made.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"A trial was not over within {TimeMax.TotalSeconds} s.";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return fault.Message;
        }
    }

    /// <summary>What the trial was for is known; what is found later does not count.</summary>
    /// <param name="problem">Null: it works.</param>
    public void Found(string? problem) => _problem.TrySetResult(problem);
}
