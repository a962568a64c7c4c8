using Spectre.Console;

namespace Dormouse.Cli.Terminal;

/// <summary>Moving progress on a terminal.</summary>
internal static class SpectreActivity
{
    public static async Task<T> BarAsync<T>(TextWriter error, string title, long totalBytes, Func<IProgress<long>, Task<T>> work)
    {
        return await RunAsync(
            error, title, totalBytes, work, new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn());
    }

    /// <summary>A bar in percent.</summary>
    public static async Task<T> ShareAsync<T>(TextWriter error, string title, long total, Func<IProgress<long>, Task<T>> work)
    {
        return await RunAsync(error, title, total, work, new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn());
    }

    /// <summary>A bar in percent whose title says more as the work goes on. The work gives the title and the share done, 0 to 1.</summary>
    public static async Task<T> DescribedAsync<T>(TextWriter error, string title, Func<Action<string, double>, Task<T>> work) =>
        await SpectreTables.Console(error, isTerminal: true).Progress().AutoClear(true)
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .StartAsync(async context =>
            {
                var task = context.AddTask(Markup.Escape(Shown.Line(title)), maxValue: 1);
                return await work((text, share) =>
                {
                    task.Description = Markup.Escape(Shown.Line($"{title}: {text}"));
                    task.Value = share;
                });
            });

    public static async Task<T> SpinnerAsync<T>(TextWriter error, string title, Func<Task<T>> work) =>
        await SpectreTables.Console(error, isTerminal: true).Status().StartAsync(Markup.Escape(title), _ => work());

    private static async Task<T> RunAsync<T>(TextWriter error, string title, long total, Func<IProgress<long>, Task<T>> work, params ProgressColumn[] columns) =>
        await SpectreTables.Console(error, isTerminal: true).Progress().AutoClear(true).Columns(columns)
            .StartAsync(async context => await work(new Increments(context.AddTask(Markup.Escape(title), maxValue: total))));

    /// <summary>Reports on the caller's thread: the base library's Progress would post them and end out of order.</summary>
    private sealed class Increments(ProgressTask task) : IProgress<long>
    {
        public void Report(long value) => task.Increment(value);
    }
}
