namespace Dormouse.Worker.Tests.Pictures;

/// <summary>Files that lie beside the checkout and are not part of it.</summary>
internal static class SharedPictures
{
    /// <summary>Path of a file in <c>../shared/data</c>; the test is skipped with a word when it is absent.</summary>
    public static string Path(string relative)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Dormouse.slnx")))
            {
                var path = System.IO.Path.Combine(folder.FullName, "..", "shared", "data", relative);
                if (!File.Exists(path))
                {
                    Assert.Skip($"../shared/data/{relative} is absent.");
                }

                return path;
            }
        }

        throw new InvalidOperationException("The test does not run inside the checkout.");
    }
}
