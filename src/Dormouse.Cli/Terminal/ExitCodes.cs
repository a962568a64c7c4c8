using Dormouse.Client;

namespace Dormouse.Cli.Terminal;

/// <summary>Exit codes of every command (docs/cli.md lists them).</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int NotFound = 3;
    public const int Refused = 4;
    public const int Unreachable = 5;
    public const int Interrupted = 130;

    public static int Of(DormouseException exception) => exception switch
    {
        ServerUnreachableException => Unreachable,
        { IsNotFound: true } => NotFound,
        { Status: { } status } when (int)status is >= 400 and < 500 => Refused,
        _ => Failed,
    };
}
