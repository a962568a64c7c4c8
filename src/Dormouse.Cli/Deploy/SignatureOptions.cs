using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Apply;
using Dormouse.Cli.Commands;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Cli.Deploy;

/// <summary>Options of <c>deploy</c> that say what a model means to a person: pictures in, labels out.</summary>
internal sealed class SignatureOptions
{
    private readonly Option<string?> _file = new("--signature") { HelpName = "file", Description = "Signature as YAML or JSON; goes before a signature.yaml in the folder." };
    private readonly Option<string?> _size = new("--picture-size") { HelpName = "WxH", Description = "The model takes a picture of this size, such as 224x224." };
    private readonly Option<string?> _channels = Choice("--picture-channels", "Colours of the picture. Default: rgb.", "grey", "rgb", "bgr");
    private readonly Option<string?> _fit = Choice("--picture-fit", "How a picture of another shape is made to fit. Default: stretch.", "stretch", "crop", "letterbox", "none");
    private readonly Option<string?> _layout = Choice("--picture-layout", "Order of the tensor's dimensions. Default: nchw.", "nchw", "nhwc");
    private readonly Option<double?> _scale = new("--picture-scale") { HelpName = "factor", Description = "Each pixel (0 to 255) is multiplied with it first, such as 0.00392157. Default: 1." };
    private readonly Option<string?> _mean = new("--picture-mean") { HelpName = "m[,m,m]", Description = "Subtracted after the scale, one value or one per channel. Default: 0." };
    private readonly Option<string?> _deviation = new("--picture-deviation") { HelpName = "d[,d,d]", Description = "Divided by last, one value or one per channel. Default: 1." };
    private readonly Option<int?> _padding = new("--picture-padding") { HelpName = "grey", Description = "Grey value, 0 to 255, of the bars of --picture-fit letterbox. Default: 0." };
    private readonly Option<string[]> _names = new("--tensor-name") { HelpName = "PLAIN=OWN", Description = "Call the model's tensor OWN by the name PLAIN; may be repeated." };
    private readonly Option<string?> _labels = new("--labels") { HelpName = "file", Description = "Text file with one label a line; the answer is labels." };
    private readonly Option<int?> _top = new("--top-k") { HelpName = "n", Description = "How many labels are answered. Default: 5." };
    private readonly Option<bool> _softmax = new("--softmax") { Description = "The scores are logits: make them probabilities." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _file, _size, _channels, _fit, _layout, _scale, _mean, _deviation, _padding, _names, _labels, _top, _softmax })
        {
            command.Add(option);
        }
    }

    /// <summary>The signature's text and the files it adds to the package; both empty when no option was given.</summary>
    public (string? Text, ImmutableArray<SourceFile> Files) Read(ParseResult parsed)
    {
        var pictureOptions = new Option[] { _size, _channels, _fit, _layout, _scale, _mean, _deviation, _padding };
        var isPicture = pictureOptions.Any(o => parsed.GetResult(o) is { Implicit: false });
        var isLabels = parsed.GetResult(_labels) is not null || parsed.GetResult(_top) is not null || parsed.GetValue(_softmax);
        var names = Names(parsed);
        if (parsed.GetValue(_file) is { } file)
        {
            if (isPicture || isLabels || !names.IsEmpty)
            {
                throw CommandException.Usage("--signature cannot be used together with --picture-…, --tensor-name, --labels, --top-k or --softmax: put them into the file.");
            }

            // Once: it may be a pipe.
            var text = ReadFile(file);
            return (text, LabelsBeside(file, text));
        }

        if (!isPicture && !isLabels && names.IsEmpty)
        {
            return (null, []);
        }

        var labels = parsed.GetValue(_labels) is { } path ? LabelsFile(path) : null;
        var signature = new Signature { Picture = isPicture ? Picture(parsed) : null, Labels = isLabels ? Labels(parsed, labels) : null, Names = names };
        if (SignatureRules.Errors(signature) is { IsEmpty: false } errors)
        {
            throw CommandException.Usage(string.Join(' ', errors));
        }

        return (SignatureRules.ToJson(signature), labels is null ? [] : [labels]);
    }

    /// <summary>Text of a signature file; a missing one is named.</summary>
    public static string ReadFile(string path) => LocalFile.ReadText(path, "signature file");

    /// <summary>The labels file that a signature names, where it lies beside the signature. One that cannot be read as a signature is the server's to refuse.</summary>
    private static ImmutableArray<SourceFile> LabelsBeside(string path, string text)
    {
        var written = YamlJson.Of(YamlPlaces.Load(path, text))?.ToJsonString();
        return SignatureRules.Parse(written ?? "null", out _) is { Labels: { Names.IsEmpty: true, File: { Length: > 0 } labels } } && Path.GetFileName(labels) == labels
            && Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path)) ?? "", labels) is var beside && File.Exists(beside)
            ? [LabelsFile(beside)]
            : [];
    }

    private PictureInput Picture(ParseResult parsed)
    {
        var picture = new PictureInput
        {
            Channels = Parse(parsed.GetValue(_channels), PictureChannels.Rgb),
            Fit = Parse(parsed.GetValue(_fit), PictureFit.Stretch),
            Layout = Parse(parsed.GetValue(_layout), TensorLayout.Nchw),
            Scale = parsed.GetValue(_scale) ?? 1,
            Mean = Values(parsed, _mean, 0),
            Deviation = Values(parsed, _deviation, 1),
            Padding = parsed.GetValue(_padding) ?? 0,
        };
        if (parsed.GetValue(_size) is not { } size)
        {
            return picture;
        }

        var sides = size.Split('x', 'X', '×');
        return sides.Length == 2 && int.TryParse(sides[0], NumberStyles.None, CultureInfo.InvariantCulture, out var width) && int.TryParse(sides[1], NumberStyles.None, CultureInfo.InvariantCulture, out var height)
            ? picture with { Width = width, Height = height }
            : throw CommandException.Usage($"--picture-size is '{size}'; write width x height, such as 224x224.");
    }

    private ImmutableSortedDictionary<string, string> Names(ParseResult parsed)
    {
        var names = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (plain, own) in (parsed.GetValue(_names) ?? []).Select(text => Arguments.Pair(_names.Name, text)))
        {
            if (!names.TryAdd(plain, own))
            {
                throw CommandException.Usage($"{_names.Name} gives the name '{plain}' twice.");
            }
        }

        return names.ToImmutable();
    }

    private LabelsOutput Labels(ParseResult parsed, SourceFile? file)
    {
        var labels = new LabelsOutput { Top = parsed.GetValue(_top) ?? 5, Softmax = parsed.GetValue(_softmax) };
        return file is null ? labels : labels with { File = file.Path };
    }

    private static SourceFile LabelsFile(string path)
    {
        LocalFile.ThrowUnlessReadable(path, "labels file");
        var file = new SourceFile(Path.GetFileName(path), Path.GetFullPath(path));
        SourceChecks.Check(file);
        return file;
    }

    private static ImmutableArray<double> Values(ParseResult parsed, Option<string?> option, double otherwise)
    {
        if (parsed.GetValue(option) is not { } text)
        {
            return [otherwise];
        }

        var values = ImmutableArray.CreateBuilder<double>();
        foreach (var part in text.Split(','))
        {
            values.Add(double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                ? value
                : throw CommandException.Usage($"{option.Name} is '{text}'; write numbers with commas between, such as 0.485,0.456,0.406."));
        }

        return values.ToImmutable();
    }

    private static T Parse<T>(string? word, T otherwise)
        where T : struct, Enum => word is null ? otherwise : Enum.Parse<T>(word, ignoreCase: true);

    private static Option<string?> Choice(string name, string description, params string[] values)
    {
        var option = new Option<string?>(name) { HelpName = string.Join('|', values), Description = description };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
