using System.Globalization;
using Dormouse.Launcher.Kernel;

namespace Dormouse.Launcher.Limits;

/// <summary>Lets everything in a worker's place stand still, and go on, by the kernel's freezer of cgroups.</summary>
/// <param name="Folder">Where the places are.</param>
/// <param name="File">File of a place that is written to.</param>
/// <param name="State">File of a place that tells whether all of it stands still, by the line <paramref name="StandsStill"/>.</param>
internal sealed record Freezer(string Folder, string File, string Frozen, string Thawed, string State, string StandsStill)
{
    public const string V1File = "freezer.state";
    public const string V1Thawed = "THAWED";
    public const string V2File = "cgroup.freeze";
    public const string V2Thawed = "0";

    /// <summary>cgroup v1: a hierarchy of its own. A process in it that is killed ends only when it is thawed.</summary>
    public static Freezer V1(string folder) => new(folder, V1File, "FROZEN", V1Thawed, V1File, "FROZEN");

    public static Freezer V2(string folder) => new(folder, V2File, "1", V2Thawed, "cgroup.events", "frozen 1");

    /// <summary>Null when everything in the place stands still or is about to, else why not.</summary>
    public string? Freeze(string place) => Write(place, Frozen);

    /// <summary>Null when everything in the place goes on, else why not.</summary>
    public string? Thaw(string place) => Write(place, Thawed);

    public bool IsStandingStill(string place)
    {
        try
        {
            return System.IO.File.ReadLines($"{Folder}/{place}/{State}").Contains(StandsStill);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Lets a place go on whatever kind of cgroup it is: what is killed there may need it to end.</summary>
    public static void Release(string folder)
    {
        _ = Descriptors.WriteText($"{folder}/{V1File}", V1Thawed);
        _ = Descriptors.WriteText($"{folder}/{V2File}", V2Thawed);
    }

    private string? Write(string place, string state)
    {
        var error = Descriptors.WriteText($"{Folder}/{place}/{File}", state);
        return error == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{File} of its cgroup could not be written ({Descriptors.Words(error)})");
    }
}
