namespace Dormouse.Architecture.Tests;

internal static class Checkout
{
    /// <summary>The folder that holds Dormouse.slnx.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Dormouse.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The test does not run inside the checkout.");
    }
}
