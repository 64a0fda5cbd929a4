"""TensorFlow Serving's REST API and KServe's protocol V1, which share their addresses, for their
unmodified clients:
https://www.tensorflow.org/tfx/serving/api_rest
https://kserve.github.io/website/latest/modelserving/data_plane/v1_protocol/
"""
