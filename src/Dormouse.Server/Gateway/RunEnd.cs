namespace Dormouse.Server.Gateway;

/// <summary>How an invocation ended for its caller.</summary>
internal abstract record RunEnd
{
    private RunEnd()
    {
    }

    /// <summary>The exchange has sent the instance's answer.</summary>
    public sealed record Answered : RunEnd
    {
        public static readonly Answered Instance = new();
    }

    /// <summary>The answer broke off after it had begun: the connection must be cut, so that nobody takes it for whole.</summary>
    public sealed record Cut(Problem Problem) : RunEnd;

    /// <summary>The caller hung up; nothing is to be sent.</summary>
    public sealed record CallerLeft : RunEnd
    {
        public static readonly CallerLeft Instance = new();
    }

    /// <summary>It got no answer of an instance.</summary>
    public sealed record Failed(Problem Problem) : RunEnd;
}
