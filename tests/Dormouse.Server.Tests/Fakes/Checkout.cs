namespace Dormouse.Server.Tests.Fakes;

internal static class Checkout
{
    /// <summary>The folder that holds Dormouse.slnx.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Dormouse.slnx")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException("The tests run outside of a checkout.");
    }
}
