using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;

return await CommandLine.RunAsync(args, Surroundings.OfProcess(TimeProvider.System), CancellationToken.None);
