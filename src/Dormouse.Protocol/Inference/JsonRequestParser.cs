using System.Text.Json;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>
/// Walks the JSON part of an inference request. <see cref="Utf8JsonReader"/> reads everything but the numbers: where <c>data</c> begins and
/// name, datatype and shape are known, <see cref="JsonTensorReader"/> takes over and the reader goes on behind the array. When <c>data</c>
/// comes first, its place is remembered and it is read at the end of its object.
/// </summary>
internal ref struct JsonRequestParser
{
    private readonly ReadOnlySpan<byte> _json;
    private readonly bool _binaryMayFollow;
    private readonly InputRoster _roster;
    private readonly InferRequest _request;
    private Utf8JsonReader _reader;

    /// <summary>Where in <see cref="_json"/> the span of <see cref="_reader"/> begins.</summary>
    private int _origin;

    public JsonRequestParser(ReadOnlySpan<byte> json, bool binaryMayFollow, InputRoster roster, InferRequest request)
    {
        _json = json;
        _binaryMayFollow = binaryMayFollow;
        _roster = roster;
        _request = request;
        _reader = new Utf8JsonReader(json, isFinalBlock: true, state: default);
    }

    /// <summary>The inputs in the order of the document; those without a tensor expect it behind the JSON.</summary>
    public List<PendingInput> Inputs { get; } = [];

    /// <exception cref="InferenceException">Not strict JSON, or not a request that fits the model.</exception>
    public void Parse()
    {
        try
        {
            ReadDocument();
        }
        catch (JsonException malformed)
        {
            // The reader's own position counts from its span; ours from the start of the document.
            throw new InferenceException(ProblemCode.RequestInvalid,
                $"the request for model '{_roster.ModelName}' is not valid JSON near byte {Position}: {JsonFault.Describe(_json, Position, _reader.CurrentDepth)}", malformed);
        }
    }

    private readonly int Position => _origin + (int)_reader.BytesConsumed;

    private void ReadDocument()
    {
        if (_json.IndexOfAnyExcept(" \t\r\n"u8) < 0)
            throw new InferenceException(ProblemCode.RequestInvalid, $"the request for model '{_roster.ModelName}' is empty; send a JSON object with 'inputs'");
        if (!_reader.Read() || _reader.TokenType != JsonTokenType.StartObject) throw Unfit("the request must be a JSON object");
        var seen = new MemberSet();
        while (NextMember())
        {
            if (IsMember("inputs"u8, ref seen, 0)) ReadInputs();
            else if (IsMember("outputs"u8, ref seen, 1)) ReadOutputs();
            else if (IsMember("id"u8, ref seen, 2)) _request.Id = ReadOptionalText("id");
            else if (IsMember("parameters"u8, ref seen, 3)) ReadRequestParameters();
            else _reader.Skip();
        }

        // Read answers false at the end and throws on anything but white space.
        _reader.Read();
    }

    private void ReadRequestParameters()
    {
        if (JsonParameters.Read(ref _reader, "the request", _roster.ModelName) is not { } parameters) return;
        _request.BinaryOutputDefault = KnownParameters.Flag(parameters, KnownParameters.BinaryDataOutput, "the request") ?? false;
        _request.Parameters = parameters;
    }

    private void ReadInputs()
    {
        _reader.Read();
        if (_reader.TokenType != JsonTokenType.StartArray) throw Unfit("'inputs' must be an array");
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
        {
            if (_reader.TokenType != JsonTokenType.StartObject) throw Unfit("each of 'inputs' must be an object");
            Inputs.Add(ReadInput());
        }
    }

    private PendingInput ReadInput()
    {
        string? name = null, datatypeText = null;
        long[]? shape = null;
        Dictionary<string, ParameterValue>? parameters = null;
        InputDraft? draft = null;
        InputTensor? tensor = null;
        var dataStart = -1;
        var seen = new MemberSet();
        while (NextMember())
        {
            if (IsMember("name"u8, ref seen, 0)) name = ReadText("'name' of an input");
            else if (IsMember("datatype"u8, ref seen, 1)) datatypeText = ReadText("'datatype' of an input");
            else if (IsMember("shape"u8, ref seen, 2)) shape = ReadShape(name);
            else if (IsMember("parameters"u8, ref seen, 3)) parameters = JsonParameters.Read(ref _reader, InputWords(name), _roster.ModelName);
            else if (IsMember("data"u8, ref seen, 4))
            {
                dataStart = Position;
                if (name is not null && datatypeText is not null && shape is not null)
                {
                    draft = _roster.Admit(name, _roster.ParseDatatype(name, datatypeText), shape);
                    tensor = JsonTensorReader.Read(_json, dataStart, draft, _roster, _request, out var end);
                    ContinueAt(end);
                }
                else
                {
                    _reader.Skip();
                }
            }
            else _reader.Skip();
        }

        if (name is null) throw Unfit("an input has no 'name'");
        if (datatypeText is null) throw Unfit($"input {Excerpt.Name(name)} has no 'datatype'");
        if (shape is null) throw Unfit($"input {Excerpt.Name(name)} has no 'shape'");
        draft ??= _roster.Admit(name, _roster.ParseDatatype(name, datatypeText), shape);

        var binarySize = parameters is null ? null : KnownParameters.Whole(parameters, KnownParameters.BinaryDataSize, InputWords(name));
        CheckForm(draft, dataStart >= 0, binarySize);
        if (dataStart >= 0) tensor ??= JsonTensorReader.Read(_json, dataStart, draft, _roster, _request, out _);
        return new PendingInput(draft, tensor, binarySize);
    }

    /// <summary>Exactly one of the two forms, and the binary one only with the header that says where it begins.</summary>
    private readonly void CheckForm(InputDraft draft, bool hasData, long? binarySize)
    {
        if (hasData && binarySize is not null)
            throw Unfit($"input '{draft.Name}' has both 'data' and parameter 'binary_data_size'; send one of them");
        if (!hasData && binarySize is null)
            throw Unfit($"input '{draft.Name}' has no data: send 'data', or parameter 'binary_data_size' and the bytes behind the JSON");
        if (binarySize > 0 && !_binaryMayFollow)
        {
            throw Unfit($"input '{draft.Name}' has parameter 'binary_data_size' {binarySize}, but the request lacks the header "
                + $"{DormouseHeaders.InferenceHeaderContentLength}, the length of its JSON part");
        }
    }

    private long[] ReadShape(string? name)
    {
        _reader.Read();
        if (_reader.TokenType != JsonTokenType.StartArray) throw Unfit($"'shape' of {InputWords(name)} must be an array of whole numbers");
        var shape = new List<long>(4);
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
        {
            if (shape.Count == InputRoster.RankMax) throw Unfit($"'shape' of {InputWords(name)} has more than {InputRoster.RankMax} dimensions");
            if (_reader.TokenType != JsonTokenType.Number || !_reader.TryGetInt64(out var dimension))
            {
                throw Unfit($"'shape' of {InputWords(name)} holds {Excerpt.Token(_json, _origin + (int)_reader.TokenStartIndex)}; "
                    + "each dimension must be a whole number from 0 to 2^63 - 1");
            }

            shape.Add(dimension);
        }

        return [.. shape];
    }

    private void ReadOutputs()
    {
        _reader.Read();
        if (_reader.TokenType == JsonTokenType.Null) return;
        if (_reader.TokenType != JsonTokenType.StartArray) throw Unfit("'outputs' must be an array");
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
        {
            if (_reader.TokenType != JsonTokenType.StartObject) throw Unfit("each of 'outputs' must be an object");
            _request.Outputs.Add(ReadOutput());
        }
    }

    private RequestedOutput ReadOutput()
    {
        string? name = null;
        Dictionary<string, ParameterValue>? parameters = null;
        var seen = new MemberSet();
        while (NextMember())
        {
            if (IsMember("name"u8, ref seen, 0)) name = ReadText("'name' of an output");
            else if (IsMember("parameters"u8, ref seen, 1)) parameters = JsonParameters.Read(ref _reader, "an output", _roster.ModelName);
            else _reader.Skip();
        }

        if (name is null) throw Unfit("an output has no 'name'");
        _roster.AdmitOutput(name);
        return KnownParameters.ToOutput(name, parameters);
    }

    /// <summary>Sets the reader behind a value that was read by other means. The reader cannot jump, but it can be carried from one
    /// span to the next between tokens: it is shown an empty array in place of the value.</summary>
    private void ContinueAt(int end)
    {
        var bridge = new Utf8JsonReader("[]"u8, isFinalBlock: false, _reader.CurrentState);
        bridge.Read();
        bridge.Read();
        _origin = end;
        _reader = new Utf8JsonReader(_json[end..], isFinalBlock: true, bridge.CurrentState);
    }

    /// <summary>True on the next member's name, false at the end of the object.</summary>
    private bool NextMember() => _reader.Read() && _reader.TokenType == JsonTokenType.PropertyName;

    private readonly bool IsMember(ReadOnlySpan<byte> name, ref MemberSet seen, int place)
    {
        if (_reader.ValueIsEscaped ? JsonParameters.Text(in _reader, "a member's name") != System.Text.Encoding.UTF8.GetString(name) : !_reader.ValueSpan.SequenceEqual(name))
            return false;
        if (!seen.Add(place)) throw Unfit($"member '{System.Text.Encoding.UTF8.GetString(name)}' appears twice in one object");
        return true;
    }

    private string ReadText(string what)
    {
        _reader.Read();
        if (_reader.TokenType != JsonTokenType.String) throw Unfit($"{what} must be a string");
        return JsonParameters.Text(in _reader, what);
    }

    private string? ReadOptionalText(string what)
    {
        _reader.Read();
        if (_reader.TokenType == JsonTokenType.Null) return null;
        if (_reader.TokenType != JsonTokenType.String) throw Unfit($"'{what}' must be a string");
        return JsonParameters.Text(in _reader, what);
    }

    private static string InputWords(string? name) => name is null ? "an input" : $"input {Excerpt.Name(name)}";

    private readonly InferenceException Unfit(string what) => new(ProblemCode.RequestInvalid, $"{what} (request for model '{_roster.ModelName}')");

    /// <summary>Which members of an object came already; strict JSON has each once.</summary>
    private struct MemberSet
    {
        private int _bits;

        public bool Add(int place)
        {
            var bit = 1 << place;
            if ((_bits & bit) != 0) return false;
            _bits |= bit;
            return true;
        }
    }
}

/// <summary>An input of the document: with its tensor, or with the size of the binary part that brings it.</summary>
internal readonly record struct PendingInput(InputDraft Draft, InputTensor? Tensor, long? BinarySize);
