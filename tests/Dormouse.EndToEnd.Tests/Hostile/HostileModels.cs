using Dormouse.Worker.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Small models that do much, or take several inputs.</summary>
internal static class HostileModels
{
    private static readonly (int, Proto) X = Onnx.Input("x", Onnx.Float, 2);
    private static readonly (int, Proto) Y = Onnx.Output("y", Onnx.Float, 2);

    public static byte[] Relu(long opset = 17, long ir = 8) => Onnx.Model(Onnx.Graph(Onnx.Node("Relu", ["x"], ["y"]), X, Y), opset, ir);

    public static byte[] Unknown() => Onnx.Model(Onnx.Graph(Onnx.Node("Frobnicate", ["x"], ["y"]), X, Y));

    public static byte[] UnknownOf(string domain) =>
        Onnx.Model(Onnx.Graph(Onnx.NodeOf(domain, "Frobnicate", ["x"], ["y"]), X, Y), more: Onnx.OperatorSet(domain, 1));

    /// <summary>y = x + w, with w in a file of the package, or anywhere.</summary>
    public static byte[] External(string location) =>
        Onnx.Model(Onnx.Graph(Onnx.Node("Add", ["x", "w"], ["y"]), (5, Onnx.External("w", location, 2)), X, Y));

    /// <summary>Zeros of the shape that the input asks for.</summary>
    public static byte[] Zeros() =>
        Onnx.Model(Onnx.Graph(Onnx.Node("ConstantOfShape", ["shape"], ["zeros"]), Onnx.Input("shape", Onnx.Int64, "rank"), Onnx.Output("zeros", Onnx.Float)));

    /// <summary>Adds one as often as the input asks for.</summary>
    public static byte[] Counting() => Onnx.Model(Onnx.Graph(
        Onnx.Node("Squeeze", ["times"], ["trips"]),
        Onnx.Initialiser("zero", Onnx.Float, new float[] { 0 }, 1),
        Onnx.Node("Loop", ["trips", "", "zero"], ["count"], Onnx.GraphAttribute("body", AddingOne())),
        Onnx.Input("times", Onnx.Int64, 1),
        Onnx.Output("count", Onnx.Float, 1)));

    /// <summary>Takes nothing and never ends: the number of rounds is in the model.</summary>
    public static byte[] Endless() => Onnx.Model(Onnx.Graph(
        Onnx.Initialiser("trips", Onnx.Int64, new long[] { long.MaxValue }),
        Onnx.Initialiser("zero", Onnx.Float, new float[] { 0 }, 1),
        Onnx.Node("Loop", ["trips", "", "zero"], ["count"], Onnx.GraphAttribute("body", AddingOne())),
        Onnx.Output("count", Onnx.Float, 1)));

    /// <summary>Two inputs: numbers "a" of any count in twos, and one text "t".</summary>
    public static byte[] Pair() => Onnx.Model(Onnx.Graph(
        Onnx.Node("Relu", ["a"], ["b"]),
        Onnx.Node("Identity", ["t"], ["u"]),
        Onnx.Input("a", Onnx.Float, "n", 2),
        Onnx.Input("t", Onnx.String, 1),
        Onnx.Output("b", Onnx.Float, "n", 2),
        Onnx.Output("u", Onnx.String, 1)));

    /// <summary>y = x for numbers of any count.</summary>
    public static byte[] Line() => Onnx.Identity(Onnx.Float, "n");

    private static Proto AddingOne() => Onnx.Graph(
        Onnx.Node("Identity", ["go"], ["on"]),
        Onnx.Initialiser("one", Onnx.Float, new float[] { 1 }, 1),
        Onnx.Node("Add", ["before", "one"], ["after"]),
        Onnx.Input("round", Onnx.Int64),
        Onnx.Input("go", Onnx.Bool),
        Onnx.Input("before", Onnx.Float, 1),
        Onnx.Output("on", Onnx.Bool),
        Onnx.Output("after", Onnx.Float, 1));
}
