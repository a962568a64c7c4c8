using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Dormouse.Launcher.Sandboxing;

/// <summary>Whom a sandboxed worker runs as.</summary>
/// <param name="Number">User and group; null = the launcher's own, which an ordinary user cannot leave.</param>
internal readonly record struct SandboxUser(uint? Number)
{
    /// <summary>The numbers from here on are nobody's: above what systemd gives to containers (1 879 048 191), below 2³¹.</summary>
    public const uint First = 2_000_000_000;

    /// <summary>Numbers of one server: a worker gets the next with each start, so two that live at the same time have different ones.</summary>
    public const uint PerServer = 100_000;

    private const uint Servers = 1_000;

    /// <param name="server">Name of the server's cgroups: servers of one machine take their numbers from different places.</param>
    public static SandboxUser For(string server, long worker)
    {
        var place = BitConverter.ToUInt32(SHA256.HashData(Encoding.UTF8.GetBytes(server))) % Servers;
        return new(First + (place * PerServer) + (uint)(worker % PerServer));
    }

    public override string ToString() => Number?.ToString(CultureInfo.InvariantCulture) ?? "own";
}
