using System.Runtime.InteropServices;

namespace Dormouse.Worker.Tests.Support;

/// <summary>Writes small ONNX models from the format's field numbers.</summary>
internal static class Onnx
{
    internal const int Float = 1, Uint8 = 2, Int8 = 3, Uint16 = 4, Int16 = 5, Int32 = 6, Int64 = 7, String = 8, Bool = 9, Float16 = 10, Double = 11, Uint32 = 12,
        Uint64 = 13, Complex64 = 14, Bfloat16 = 16;

    internal static byte[] Model(Proto graph, long opset = 17, long ir = 8, params Proto[] more) => ModelProto(graph, opset, ir, more).ToArray();

    internal static Proto ModelProto(Proto graph, long opset = 17, long ir = 8, params Proto[] more)
    {
        var model = new Proto().Number(1, ir).Message(7, graph).Message(8, OperatorSet("", opset));
        foreach (var operatorSet in more)
        {
            model.Message(8, operatorSet);
        }

        return model;
    }

    internal static Proto OperatorSet(string domain, long version) => new Proto().Text(1, domain).Number(2, version);

    /// <summary>A graph of the parts given: nodes (1), initialisers (5), inputs (11), outputs (12).</summary>
    internal static Proto Graph(params (int Field, Proto Part)[] parts)
    {
        var graph = new Proto().Text(2, "graph");
        foreach (var (field, part) in parts)
        {
            graph.Message(field, part);
        }

        return graph;
    }

    internal static (int, Proto) Node(string type, string[] inputs, string[] outputs, params Proto[] attributes) => NodeOf("", type, inputs, outputs, attributes);

    internal static (int, Proto) NodeOf(string domain, string type, string[] inputs, string[] outputs, params Proto[] attributes)
    {
        var node = new Proto();
        foreach (var input in inputs)
        {
            node.Text(1, input);
        }

        foreach (var output in outputs)
        {
            node.Text(2, output);
        }

        node.Text(3, "node_" + outputs[0]).Text(4, type).Text(7, domain);
        foreach (var attribute in attributes)
        {
            node.Message(5, attribute);
        }

        return (1, node);
    }

    internal static (int, Proto) Input(string name, int type, params object[] shape) => (11, Value(name, TensorType(type, shape)));

    internal static (int, Proto) Output(string name, int type, params object[] shape) => (12, Value(name, TensorType(type, shape)));

    internal static Proto Value(string name, Proto type) => new Proto().Text(1, name).Message(2, type);

    /// <summary>Dimensions are numbers or names of variable ones.</summary>
    internal static Proto TensorType(int type, params object[] shape)
    {
        var dimensions = new Proto();
        foreach (var dimension in shape)
        {
            dimensions.Message(1, dimension is string name ? new Proto().Text(2, name) : new Proto().Number(1, Convert.ToInt64(dimension, null)));
        }

        return new Proto().Message(1, new Proto().Number(1, type).Message(2, dimensions));
    }

    internal static Proto Tensor<T>(string name, int type, T[] values, params long[] shape)
        where T : unmanaged
    {
        var tensor = new Proto();
        foreach (var dimension in shape)
        {
            tensor.Number(1, dimension);
        }

        return tensor.Number(2, type).Text(8, name).Bytes(9, MemoryMarshal.AsBytes<T>(values));
    }

    internal static (int, Proto) Initialiser<T>(string name, int type, T[] values, params long[] shape)
        where T : unmanaged => (5, Tensor(name, type, values, shape));

    internal static Proto External(string name, string location, long count, long? offset = null, long? length = null)
    {
        var tensor = new Proto().Number(1, count).Number(2, Float).Text(8, name).Message(13, new Proto().Text(1, "location").Text(2, location));
        if (offset is not null)
        {
            tensor.Message(13, new Proto().Text(1, "offset").Text(2, $"{offset}"));
        }

        if (length is not null)
        {
            tensor.Message(13, new Proto().Text(1, "length").Text(2, $"{length}"));
        }

        return tensor.Number(14, 1);
    }

    internal static Proto TensorAttribute(string name, Proto tensor) => new Proto().Text(1, name).Message(5, tensor).Number(20, 4);

    internal static Proto GraphAttribute(string name, Proto graph) => new Proto().Text(1, name).Message(6, graph).Number(20, 5);

    internal static Proto IntAttribute(string name, long value) => new Proto().Text(1, name).Number(3, value).Number(20, 2);

    internal static Proto IntsAttribute(string name, params long[] values)
    {
        var attribute = new Proto().Text(1, name);
        foreach (var value in values)
        {
            attribute.Number(8, value);
        }

        return attribute.Number(20, 7);
    }

    /// <summary>y = x, of any type and shape.</summary>
    internal static byte[] Identity(int type, params object[] shape) =>
        Model(Graph(Node("Identity", ["x"], ["y"]), Input("x", type, shape), Output("y", type, shape)));

    /// <summary>c = a + b, with variable length: a mismatch is found by the engine only while it runs.</summary>
    internal static byte[] Add() =>
        Model(Graph(Node("Add", ["a", "b"], ["c"]), Input("a", Float, "n"), Input("b", Float, "m"), Output("c", Float, "k")));
}
