using Dormouse.Core.Instances;
using Dormouse.Drivers.Instances;

namespace Dormouse.Drivers.Templates;

/// <summary>Finds out whether Python instances can be forks of a template on this machine, by making one and a fork of it.</summary>
/// <param name="post">Runs work in the driver's inbox; false: it is closed.</param>
internal sealed class TemplateTrial(ProcessDriverOptions options, IInstanceHost host, Func<Action, bool> post)
{
    private const string Name = "templates";

    private readonly TrialTemplate _trial = new(options, host, post);

    public async Task<ProbeResult> RunAsync(CancellationToken cancellationToken)
    {
        if (options.TemplatesMemoryBytes <= 0)
            return Failed("workers.templates_memory is 0.");
        return await _trial.RunAsync(isolation: null, sparesWanted: 1, (_, _) => { }, Grown, cancellationToken) is { } problem
            ? Failed(problem)
            : new(Name, Works: true, "Python instances can be forks of a process that has loaded their code");
    }

    private static ProbeResult Failed(string why) => new(Name, Works: false, $"Python instances are started one by one: {why}");

    private void Grown(RevisionTemplate template)
    {
        if (template.Report.Spares > 0)
            _trial.Found(problem: null);
    }
}
