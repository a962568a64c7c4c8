using Dormouse.Worker.Tests.Support;

namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>Models of a few hundred bytes for what the bundled one cannot show.</summary>
internal static class SmallModels
{
    /// <summary>y = x + <paramref name="term"/>, so that an answer tells which model gave it.</summary>
    public static byte[] Plus(float term) => Onnx.Model(Onnx.Graph(
        Onnx.Initialiser("term", Onnx.Float, [term], 1),
        Onnx.Node("Add", ["x", "term"], ["y"]),
        Onnx.Input("x", Onnx.Float, "n"),
        Onnx.Output("y", Onnx.Float, "n")));

    /// <summary>Loads like <see cref="Plus"/>, and fails at the run of every x whose length is neither 1 nor 7.</summary>
    public static byte[] PlusSeven() => Onnx.Model(Onnx.Graph(
        Onnx.Initialiser("term", Onnx.Float, [1, 1, 1, 1, 1, 1, 1], 7),
        Onnx.Node("Add", ["x", "term"], ["y"]),
        Onnx.Input("x", Onnx.Float, "n"),
        Onnx.Output("y", Onnx.Float, "m")));

    /// <summary>Numbers (x → y) and texts (t → u) that come back as they are.</summary>
    public static byte[] Echo() => Onnx.Model(Onnx.Graph(
        Onnx.Node("Identity", ["x"], ["y"]),
        Onnx.Node("Identity", ["t"], ["u"]),
        Onnx.Input("x", Onnx.Float, "n", "m"),
        Onnx.Input("t", Onnx.String, "k"),
        Onnx.Output("y", Onnx.Float, "n", "m"),
        Onnx.Output("u", Onnx.String, "k")));

    /// <summary>Counts to <c>trips</c> (int64[1]) from the largest element of <c>start</c> (float32[n]): runs as long as it is told to.</summary>
    public static byte[] Counter()
    {
        var body = Onnx.Graph(
            Onnx.Node("Identity", ["going"], ["goes_on"]),
            Onnx.Node("Add", ["count", "one"], ["next"]),
            Onnx.Input("trip", Onnx.Int64),
            Onnx.Input("going", Onnx.Bool),
            Onnx.Input("count", Onnx.Float, 1),
            Onnx.Output("goes_on", Onnx.Bool),
            Onnx.Output("next", Onnx.Float, 1));
        return Onnx.Model(Onnx.Graph(
            Onnx.Initialiser("one", Onnx.Float, [1f], 1),
            Onnx.Node("ReduceMax", ["start"], ["first"]),
            Onnx.Node("Loop", ["trips", "", "first"], ["total"], Onnx.GraphAttribute("body", body)),
            Onnx.Input("trips", Onnx.Int64, 1),
            Onnx.Input("start", Onnx.Float, "n"),
            Onnx.Output("total", Onnx.Float, 1)));
    }

    /// <summary>A valid file with an operator that no engine has.</summary>
    public static byte[] Unloadable() => Onnx.Model(Onnx.Graph(
        Onnx.Node("NoSuchOperator", ["start"], ["total"]),
        Onnx.Input("start", Onnx.Float, 1),
        Onnx.Output("total", Onnx.Float, 1)));

    /// <summary>Sum of <c>count</c> (int64[1]) zeros that are all in memory at once.</summary>
    public static byte[] Hungry() => Onnx.Model(Onnx.Graph(
        Onnx.Node("ConstantOfShape", ["count"], ["zeros"]),
        Onnx.Node("ReduceSum", ["zeros"], ["sum"]),
        Onnx.Input("count", Onnx.Int64, 1),
        Onnx.Output("sum", Onnx.Float, 1)));
}
