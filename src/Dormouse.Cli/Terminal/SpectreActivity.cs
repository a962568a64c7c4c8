using Spectre.Console;

namespace Dormouse.Cli.Terminal;

/// <summary>Moving progress on a terminal.</summary>
internal static class SpectreActivity
{
    public static async Task<T> BarAsync<T>(TextWriter error, string title, long totalBytes, Func<IProgress<long>, Task<T>> work)
    {
        return await SpectreTables.Console(error, isTerminal: true).Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var task = context.AddTask(Markup.Escape(title), maxValue: totalBytes);
                return await work(new Increments(task));
            });
    }

    public static async Task<T> SpinnerAsync<T>(TextWriter error, string title, Func<Task<T>> work) =>
        await SpectreTables.Console(error, isTerminal: true).Status().StartAsync(Markup.Escape(title), _ => work());

    /// <summary>Reports on the caller's thread: the base library's Progress would post them and end out of order.</summary>
    private sealed class Increments(ProgressTask task) : IProgress<long>
    {
        public void Report(long value) => task.Increment(value);
    }
}
