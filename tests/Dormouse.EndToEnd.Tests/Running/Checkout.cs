namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>Where things lie.</summary>
internal static class Checkout
{
    /// <summary>The folder that holds Dormouse.slnx.</summary>
    public static string Root { get; } = Find();

    /// <summary>The built command line: what users run.</summary>
    public static string Dormouse => Path.Combine(Root, "artifacts", "dist", "cli", "dormouse");

    public static string DigitsModel => Path.Combine(Root, "models", "digits", "model.onnx");

    /// <summary>A bundled example by its digit's word.</summary>
    public static string DigitPicture(string word) => Path.Combine(Root, "models", "digits", "examples", word + ".png");

    /// <summary>Models, vectors and inputs beside the checkout; not part of it.</summary>
    public static string SharedData => Path.GetFullPath(Path.Combine(Root, "..", "shared", "data"));

    /// <summary>Path of a shared file; the test is skipped with a word when it is absent.</summary>
    public static string Shared(string relative)
    {
        var path = Path.Combine(SharedData, relative);
        if (!File.Exists(path))
        {
            Assert.Skip($"../shared/data/{relative} is absent.");
        }

        return path;
    }

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
