namespace Dormouse.Cli.LocalFiles;

/// <summary>What lies at a path, links followed.</summary>
internal enum LocalKind
{
    Missing,
    File,
    Folder,

    /// <summary>A FIFO or what a shell makes of <c>&lt;(command)</c>: its bytes come once and perhaps never.</summary>
    Pipe,

    /// <summary>A terminal or <c>/dev/zero</c>: bytes may come for ever.</summary>
    Device,

    Socket,
}
