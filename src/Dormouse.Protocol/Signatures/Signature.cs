using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dormouse.Protocol.Signatures;

/// <summary>
/// What a model means to a person: which input is a picture and how it becomes a tensor, which output is a list of labels, and plain names for
/// tensors. Written as YAML beside the model (<c>signature.yaml</c>, snake_case, the same shape), kept as canonical JSON.
/// </summary>
/// <remarks>Members with a default have a setter: the generated reader gives a missing <c>init</c> member default(T) instead of its initialiser.</remarks>
public sealed record Signature
{
    /// <summary>How the body of <c>POST /invoke/{endpoint}</c> becomes the model's input; null = only the tensor form works.</summary>
    public PictureInput? Picture { get; init; }

    /// <summary>How an output becomes labels; null = the answer lists the outputs as tensors.</summary>
    public LabelsOutput? Labels { get; init; }

    /// <summary>Plain name → the model's own tensor name, for inputs and outputs. On <c>/v2</c> and in metadata the plain name takes the model's place.</summary>
    public ImmutableSortedDictionary<string, string> Names { get; set; } = ImmutableSortedDictionary<string, string>.Empty;
}

/// <summary>
/// From encoded picture to tensor: decode (JPEG, PNG, BMP, WebP), turn upright by the EXIF orientation, fit to <see cref="Width"/> × <see cref="Height"/>,
/// convert to <see cref="Channels"/>, then value = (pixel × <see cref="Scale"/> − mean) ÷ deviation with pixel 0 to 255.
/// </summary>
public sealed record PictureInput
{
    /// <summary>Name of the input tensor (its plain name when it has one); null = the model's only input.</summary>
    public string? Input { get; init; }

    /// <summary>Pixels, 1 to 8,192; null = from the model's fixed shape.</summary>
    public int? Width { get; init; }

    public int? Height { get; init; }

    public PictureFit Fit { get; set; } = PictureFit.Stretch;

    public PictureChannels Channels { get; set; } = PictureChannels.Rgb;

    public TensorLayout Layout { get; set; } = TensorLayout.Nchw;

    /// <summary>Multiplied with the pixel first. Default 1; 1/255 = 0.00392156862745098 gives 0 to 1.</summary>
    public double Scale { get; set; } = 1;

    /// <summary>Subtracted, one value or one per channel. Default 0.</summary>
    public ImmutableArray<double> Mean { get; set; } = [0];

    /// <summary>Divided by, one value or one per channel; not 0. Default 1.</summary>
    public ImmutableArray<double> Deviation { get; set; } = [1];

    /// <summary>Grey value 0 to 255 of the bars that <see cref="PictureFit.Letterbox"/> adds. Default 0.</summary>
    public int Padding { get; init; }
}

/// <summary>How a picture of another shape is made to fit.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PictureFit>))]
public enum PictureFit
{
    /// <summary>Both sides are scaled on their own.</summary>
    [JsonStringEnumMemberName("stretch")]
    Stretch,

    /// <summary>Scaled until it covers the target, the middle is cut out.</summary>
    [JsonStringEnumMemberName("crop")]
    Crop,

    /// <summary>Scaled until it fits inside, bars of the padding colour in the rest; the picture lies top left as detectors expect.</summary>
    [JsonStringEnumMemberName("letterbox")]
    Letterbox,

    /// <summary>Not scaled: any other size is refused.</summary>
    [JsonStringEnumMemberName("none")]
    None,
}

[JsonConverter(typeof(JsonStringEnumConverter<PictureChannels>))]
public enum PictureChannels
{
    /// <summary>One channel: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).</summary>
    [JsonStringEnumMemberName("grey")]
    Grey,
    [JsonStringEnumMemberName("rgb")]
    Rgb,
    [JsonStringEnumMemberName("bgr")]
    Bgr,
}

[JsonConverter(typeof(JsonStringEnumConverter<TensorLayout>))]
public enum TensorLayout
{
    /// <summary>[batch, channel, row, column].</summary>
    [JsonStringEnumMemberName("nchw")]
    Nchw,

    /// <summary>[batch, row, column, channel].</summary>
    [JsonStringEnumMemberName("nhwc")]
    Nhwc,
}

/// <summary>From scores to labels, best first.</summary>
public sealed record LabelsOutput
{
    /// <summary>Name of the output tensor (its plain name when it has one); null = the model's only (or first) output.</summary>
    public string? Output { get; init; }

    /// <summary>Labels in order of class; empty = read from <see cref="File"/>, or the class numbers when there is no such file.</summary>
    public ImmutableArray<string> Names { get; set; } = [];

    /// <summary>Text file of the package, one label a line. Default labels.txt.</summary>
    public string File { get; set; } = "labels.txt";

    /// <summary>How many are answered, 1 to 10,000. Default 5.</summary>
    public int Top { get; set; } = 5;

    /// <summary>The scores are logits: softmax makes them probabilities.</summary>
    public bool Softmax { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Signature))]
public sealed partial class SignatureJson : JsonSerializerContext;

/// <summary>A typo in a signature must not pass silently: unknown members are refused.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    NumberHandling = JsonNumberHandling.AllowReadingFromString)]
[JsonSerializable(typeof(Signature))]
internal sealed partial class StrictSignatureJson : JsonSerializerContext;
