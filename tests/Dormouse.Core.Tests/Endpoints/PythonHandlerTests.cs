using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;

namespace Dormouse.Core.Tests.Endpoints;

public sealed class PythonHandlerTests
{
    private static readonly Package App = new([File("app.py"), File("lib/helper.py"), File("model.onnx")]);

    [Theory]
    [InlineData("app.py", "app.py", null)]
    [InlineData("app.py::classify", "app.py", "classify")]
    [InlineData("src/app.py::Model.predict", "src/app.py", "Model.predict")]
    [InlineData("model.joblib", "model.joblib", null)]
    [InlineData("app.py::größe_1", "app.py", "größe_1")]
    public void A_file_and_a_function_are_told_apart(string text, string module, string? function)
    {
        Assert.True(PythonHandler.TryParse(text, out var handler));
        Assert.Equal((module, function, text), (handler.Module, handler.Function, handler.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("::classify")]
    [InlineData("../app.py::f")]
    [InlineData("/app.py")]
    [InlineData("app.py::")]
    [InlineData("app.py::a..b")]
    [InlineData("app.py::1st")]
    [InlineData("app.py::f()")]
    [InlineData("app.py::a::b")]
    [InlineData("a\\b.py")]
    public void What_is_neither_is_refused(string text) => Assert.False(PythonHandler.TryParse(text, out _));

    [Fact]
    public void None_leaves_both_to_the_runner()
    {
        Assert.True(PythonHandler.TryParse(null, out var handler));
        Assert.Equal(PythonHandler.Any, handler);
    }

    [Fact]
    public void A_package_must_hold_the_file_that_is_named()
    {
        Assert.Null(PythonFiles.Refusal(App, null));
        Assert.Null(PythonFiles.Refusal(App, "lib/helper.py::f"));
        Assert.Null(PythonFiles.Refusal(App, "model.onnx"));
        Assert.Contains("no file 'main.py'", PythonFiles.Refusal(App, "main.py::f"), StringComparison.Ordinal);
        Assert.Contains("no Python code", PythonFiles.Refusal(new Package([File("model.onnx")]), null), StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_in_the_package_of_a_function_is_a_file_like_any_other()
    {
        Assert.NotNull(ModelFiles.Of(new RevisionSpec { Runtime = RuntimeKind.Onnx.Name }, App));
        Assert.Null(ModelFiles.Of(new RevisionSpec { Runtime = RuntimeKind.Python.Name }, App));
    }

    private static PackageFile File(string path) => new(path, new BlobHash(new string('0', 64)), 1);
}
